/*
 * Language models by HTTP: Anthropic's Messages and OpenAI-compatible chat
 * completions. A call has a system text, a user text and the JSON Schema of
 * the answer; what comes back is the JSON text that the model wrote, or what
 * the trouble was. Which prompt, and what an answer means, is not known here
 * (engine/prompt.h).
 *
 * Troubles (slugs): timeout, unreachable, rate_limited, overloaded,
 * unauthorized, spend_limit, bad_request, refusal, cut (the answer's limit
 * was reached), too_large, bad_answer (no JSON of the wanted shape),
 * breaker_open, stopped.
 *
 * Retries (rule of the vendors' SDKs): x-should-retry decides where it is
 * sent, else 408, 409, 429, 500 and above, and no answer at all are tried
 * again after retry-after-ms, Retry-After, or 0.5 s doubling to 8 s with
 * jitter; a refusal, a cut and a bad answer are tried again as well. A limit
 * of spending is not, nor what asks for a wait of more than a minute. Each
 * attempt is paid for, so none begins that the tokens left do not cover.
 *
 * The breaker: after LLM_BREAKER_FAILURES calls in a row that failed by the
 * server no more are sent for a minute, doubling up to 15; then one alone
 * goes first. What was under way when it opened does not count once more.
 * Its state lives in the one row of model_state.
 */
#ifndef ENGINE_LLM_H
#define ENGINE_LLM_H

#include "base/op.h"

#define LLM_ATTEMPTS	     3
#define LLM_BREAKER_FAILURES 5
#define LLM_ANSWER_MAX	     (256 * 1024)

struct llm_answer {
	const char *body; /* exact bytes; NULL: none came */
	size_t len;
};

struct llm_call {
	const char *system, *user;
	const char *schema; /* JSON Schema of the answer, an object */
	void *item;	    /* the caller's */

	/* out, arena */
	const char *sent; /* exact bytes of the body */
	size_t sent_len;
	int64_t tokens_most; /* of one attempt, as reckoned before it */
	const char *trouble; /* static slug; NULL: the answer is good */
	int status;	     /* HTTP, of the last attempt; 0: no answer */
	int attempts;	     /* 0: not sent */
	struct llm_answer answers[LLM_ATTEMPTS]; /* of each of them */
	int64_t tokens_in, tokens_out;		 /* of all attempts */
	int64_t ms; /* of all attempts, without waits */

	/* llm_send_many() alone */
	int64_t due_us; /* by clock_monotonic() */
	int64_t wait_us;
	bool running, ended;
};

/* Takes the JSON text of an answer; NULL, or the slug of its trouble. */
typedef const char *(*llm_take_fn)(struct op *op, struct llm_call *call,
				   const char *json, void *ctx);

struct llm_breaker {
	int64_t failures;      /* calls in a row */
	int64_t open_until_us; /* by the op's clock; 0: closed */
};

struct llm_many {
	struct llm_call *calls;
	size_t count;
	llm_take_fn take;
	void *ctx;
	int attempts;	    /* at most, up to LLM_ATTEMPTS; 0: that */
	int64_t timeout_ms; /* of one attempt; 0: the setting */
	int64_t within_ms;  /* no attempt begins after this; 0: no limit */
	/* For all attempts, and enough for the first of each; or INT64_MAX. */
	int64_t tokens_left;
	struct llm_breaker *breaker;
	/* May be NULL: called at least each second; false breaks off. */
	bool (*tick)(struct op *op, void *ctx);
};

/* True when a model is set. */
bool llm_is_configured(const struct config *config);

/* arena: the exact body of a call, and tokens_most. Needs a model. */
void llm_write(struct op *op, struct llm_call *call);

/*
 * Sends all, as many at once as the settings allow. Each call's body must be
 * written. Outside of any transaction. Trouble is no failure of the op.
 */
MUST_CHECK bool llm_send_many(struct op *op, const struct llm_many *many);

/*
 * arena: reads a stored answer as the live one is read (for replay): its
 * JSON text in *ret, or a trouble. Fills the tokens of call.
 */
const char *llm_read(struct op *op, struct llm_call *call, const char *body,
		     size_t len, const char **ret);

/* The texts in a body that was sent, borrowed from the op; NULL: none. */
void llm_read_sent(struct op *op, const char *body, size_t len,
		   const char **ret_system, const char **ret_user);

#endif
