/*
 * What a model is asked and what its answer means. The texts are
 * templates/prompt/; the data is one JSON object between markers that carry
 * the decision's id, which nobody can guess. Only the fields that the
 * tenant's config allows are in it, cut to PROMPT_FIELD_MAX bytes and
 * without control and hidden characters and markup.
 *
 * An answer is untrusted: its ids must be among those offered, its numbers
 * in range, its texts of a length and clean.
 */
#ifndef ENGINE_PROMPT_H
#define ENGINE_PROMPT_H

#include "engine/plan.h"

#define PROMPT_FIELD_MAX   500
#define PROMPT_TEXT_MAX	   4000 /* the tenant's own texts */
#define PROMPT_MESSAGE_MAX 20000

/* templates/prompt/system.txt and user.txt, read once a run. */
struct prompt_texts {
	const char *system, *user;
};

MUST_CHECK bool prompt_load(struct op *op, struct prompt_texts *ret);

struct prompt_input {
	const struct plan_input *plan;
	const struct prompt_texts *texts;
	const struct name_list *fields; /* of the tenant's config */
	struct json_object *brand;	/* or NULL */
	const char *id;			/* of the decision */
};

/*
 * arena: system and user text and the answer's schema. False when the
 * customer's fields are too much to send; no failure of the op.
 */
MUST_CHECK bool prompt_write(struct op *op, const struct prompt_input *in,
			     const char **ret_system, const char **ret_user,
			     const char **ret_schema);

/* arena: the data in a user text, as JSON text; NULL: there is none. */
const char *prompt_data(struct op *op, const char *user);

/*
 * Reads the model's JSON into a plan; placeholders filled: name and company,
 * as any other would tell what the tenant keeps from the model.
 * "bad_answer" when it does not fit what was offered, else NULL. A wait has
 * the reason "model_wait".
 */
const char *prompt_read(struct op *op, const struct plan_input *in,
			const char *json, struct plan_result *ret);

#endif
