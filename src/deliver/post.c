/*
 * Webhook posts. Sources: Standard Webhooks 1.0 (headers, Retry-After, 410,
 * webhook-delivery: abort-message).
 */
#include "deliver/post.h"

#include "base/clock.h"
#include "deliver/deliver.h"
#include "deliver/sign.h"
#include "store/webhook.h"

#define REST_S		  60
#define RETRY_AFTER_MAX_S 86400

struct posting {
	struct http_client *client;
	struct post *posts;
	size_t count;
	int64_t start_until; /* by clock_monotonic() */
};

static bool asks_for_rest(int status)
{
	return status == 0 || status == 429 || (status >= 502 && status <= 504);
}

static void rest(struct post_endpoint *endpoint, int64_t seconds)
{
	endpoint->resting = true;
	if (endpoint->rest_s < seconds)
		endpoint->rest_s = seconds;
}

void post_judge(struct op *op, struct post *post)
{
	const struct http_answer *answer = &post->answer;
	struct post_endpoint *endpoint = post->endpoint;
	int64_t after_s = answer->retry_after_s;

	post->error = answer->error;
	if (answer->status >= 200 && answer->status < 300) {
		post->result = POST_DELIVERED;
		endpoint->answered_well = true;
		return;
	}
	if (after_s > RETRY_AFTER_MAX_S)
		after_s = RETRY_AFTER_MAX_S;
	endpoint->failed = true;
	if (answer->status == 410)
		endpoint->gone = endpoint->resting = true;
	if (asks_for_rest(answer->status))
		rest(endpoint, after_s > REST_S ? after_s : REST_S);
	int64_t wait_us = retry_delay_us(op, post->tries);
	if (wait_us < 0 || answer->refused || answer->abort_message ||
	    answer->status == 410) {
		post->result = POST_FAILED;
		return;
	}
	if (wait_us < after_s * US_PER_SECOND)
		wait_us = after_s * US_PER_SECOND;
	post->result = POST_RETRY;
	post->next_us = op->now_us + wait_us;
}

/* The signed headers of one attempt; NULL when the secret is unusable. */
static const char *const *headers_of(struct op *op, struct post *post)
{
	struct signed_body message = {
		.id = post->event_id,
		.at_s = clock_now() / US_PER_SECOND,
		.body = post->body,
		.len = strlen(post->body),
	};
	struct post_endpoint *endpoint = post->endpoint;
	const char **headers = ARENA_ARRAY(op->arena, const char *, 6);
	const char *standard;
	char hex[65];

	if (endpoint->secret == NULL &&
	    !webhook_secret_open(op, endpoint->id, endpoint->sealed,
				 &endpoint->secret))
		return NULL;
	if (!sign_standard(op, endpoint->secret, &message, &standard))
		return NULL;
	sign_body(endpoint->secret, message.body, message.len, hex);
	headers[0] = "Content-Type: application/json";
	headers[1] = arena_printf(op->arena, "webhook-id: %s", message.id);
	headers[2] = arena_printf(op->arena, "webhook-timestamp: %lld",
				  (long long)message.at_s);
	headers[3] = arena_printf(op->arena, "webhook-signature: %s", standard);
	headers[4] = arena_printf(op->arena, "X-Retivo-Signature: %s", hex);
	return headers;
}

/* The next post whose endpoint has room, or NULL. */
static struct post *pick(struct posting *all)
{
	if (clock_monotonic() >= all->start_until)
		return NULL;
	for (size_t i = 0; i < all->count; i++) {
		struct post *post = &all->posts[i];

		if (post->result == POST_UNTRIED && !post->endpoint->resting &&
		    post->endpoint->running < POST_PER_ENDPOINT &&
		    post->answer.body == NULL)
			return post;
	}
	return NULL;
}

static bool posting_next(struct op *op, void *ctx, struct http_send *ret,
			 void **ret_item)
{
	struct posting *all = ctx;
	struct post *post;

	while ((post = pick(all)) != NULL) {
		post->answer.body = ""; /* on its way: not to be picked */
		const char *const *headers = headers_of(op, post);
		if (headers == NULL) {
			post->answer.error =
			    arena_strdup(op->arena, op->fail.message);
			op_clear(op);
			post_judge(op, post);
			continue;
		}
		*ret = (struct http_send){ .url = post->endpoint->url,
					   .headers = headers,
					   .body = post->body,
					   .timeout_ms = post->timeout_ms,
					   .body_len = strlen(post->body) };
		*ret_item = post;
		post->endpoint->running++;
		return true;
	}
	return false;
}

static void posting_done(struct op *op, void *ctx, void *item,
			 const struct http_answer *answer)
{
	struct post *post = item;

	(void)ctx;
	post->endpoint->running--;
	post->answer = *answer;
	post_judge(op, post);
}

bool post_all(struct op *op, struct post *posts, size_t count, int64_t start_ms)
{
	struct posting all = {
		.client = http_client_new(op->arena, op->config),
		.posts = posts,
		.count = count,
		.start_until = clock_monotonic() + start_ms * 1000,
	};
	struct http_many many = { .next = posting_next,
				  .done = posting_done,
				  .ctx = &all,
				  .parallel = POST_PARALLEL };

	return http_client_send_many(op, all.client, &many);
}
