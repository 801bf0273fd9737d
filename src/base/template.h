/*
 * Text templates: {{name}} or {{name|fallback}}, with escaping by the
 * target format. There is no logic: a template cannot loop or call.
 * A name is letters, digits, '_', '.' and '-', with spaces around allowed;
 * braces around anything else are copied.
 */
#ifndef BASE_TEMPLATE_H
#define BASE_TEMPLATE_H

#include "base/op.h"
#include "base/str.h"

enum template_format { TEMPLATE_TEXT, TEMPLATE_HTML };

/*
 * Borrowed value of a placeholder, or NULL when unknown or empty (then the
 * fallback stands, or, without one, the placeholder itself stays so that
 * the quality check finds it).
 */
typedef const char *(*template_value_fn)(void *context, const char *name);

/*
 * Writes source to out. In HTML values are escaped (& < > " '); a value
 * whose placeholder is {{{name}}} is HTML already and copied.
 */
void template_write(struct arena *a, struct str *out, const char *source,
		    enum template_format format, template_value_fn value,
		    void *context);

/*
 * arena: the text of <config->templates>/<name>, name being relative and
 * without "..". Each call reads the file (at most 1 MiB).
 * Fails: FAIL_INTERNAL "template_unreadable".
 */
MUST_CHECK bool template_load(struct op *op, const char *name,
			      const char **ret);

/* Escapes text for HTML into out. */
void template_escape_html(struct str *out, const char *text);

/* True when text still holds "{{" with "}}" behind it. */
bool template_has_placeholder(const char *text);

#endif
