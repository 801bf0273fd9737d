/*
 * Reads templates/playbooks/ in the order of the names.
 */
#include "engine/library.h"

#include "base/config.h"
#include "base/template.h"

#include <glob.h>
#include <libgen.h>

static bool load_one(struct op *op, const char *file, struct library_item *ret)
{
	const char *text;

	ret->key =
	    arena_strndup(op->arena, file, strlen(file) - strlen(".json"));
	return template_load(op, arena_printf(op->arena, "playbooks/%s", file),
			     &text) &&
	       json_parse(op, text, strlen(text), &ret->document);
}

bool library_load(struct op *op, struct library_item **ret, size_t *ret_count)
{
	const char *pattern = arena_printf(op->arena, "%s/playbooks/*.json",
					   op->config->templates);
	glob_t files;
	bool ok = true;

	if (glob(pattern, 0, NULL, &files) != 0)
		return op_fail(op, FAIL_INTERNAL, "no_playbooks",
			       "cannot read %s", pattern);
	*ret = ARENA_ARRAY(op->arena, struct library_item, files.gl_pathc);
	*ret_count = files.gl_pathc;
	for (size_t i = 0; ok && i < files.gl_pathc; i++)
		ok = load_one(op, basename(files.gl_pathv[i]), &(*ret)[i]);
	globfree(&files);
	return ok;
}
