/*
 * Placeholders in mails, plain pages and in-app messages. The quality
 * check relies on what stays unfilled staying visible.
 */
#include "base/template.h"

#include "base/config.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEMPLATE_MAX_BYTES ((off_t)1024 * 1024)

struct placeholder {
	const char *name;
	const char *fallback; /* NULL: none */
	bool raw;	      /* in three braces */
	size_t len;	      /* of the whole, with braces */
};

static size_t name_len(const char *text)
{
	size_t n = 0;

	while ((text[n] >= 'a' && text[n] <= 'z') ||
	       (text[n] >= 'A' && text[n] <= 'Z') ||
	       (text[n] >= '0' && text[n] <= '9') || text[n] == '_' ||
	       text[n] == '.' || text[n] == '-')
		n++;
	return n;
}

/* Reads "{{name}}", "{{name|fallback}}" or either with three braces. */
static bool parse_placeholder(struct arena *a, const char *text,
			      struct placeholder *ret)
{
	struct placeholder ph = { .raw = strncmp(text, "{{{", 3) == 0 };
	const char *p = text + (ph.raw ? 3 : 2);
	const char *name = p += strspn(p, " ");
	size_t len = name_len(name);
	const char *end;

	p += len;
	p += strspn(p, " ");
	end = strstr(p, ph.raw ? "}}}" : "}}");
	if (len == 0 || end == NULL || (*p != '|' && p != end))
		return false;
	ph.name = arena_strndup(a, name, len);
	if (*p == '|')
		ph.fallback = arena_strndup(a, p + 1, (size_t)(end - p - 1));
	ph.len = (size_t)(end - text) + (ph.raw ? 3 : 2);
	*ret = ph;
	return true;
}

void template_write(struct arena *a, struct str *out, const char *source,
		    enum template_format format, template_value_fn value,
		    void *context)
{
	const char *p = source, *open;
	struct placeholder ph;

	while ((open = strstr(p, "{{")) != NULL) {
		const char *text;

		str_put(out, p, (size_t)(open - p));
		p = open;
		if (!parse_placeholder(a, open, &ph)) {
			str_putc(out, *p++);
			continue;
		}
		p += ph.len;
		text = value(context, ph.name);
		if (text == NULL || *text == '\0')
			text = ph.fallback;
		if (text == NULL)
			str_put(out, open, ph.len);
		else if (format == TEMPLATE_HTML && !ph.raw)
			template_escape_html(out, text);
		else
			str_puts(out, text);
	}
	str_puts(out, p);
}

void template_escape_html(struct str *out, const char *text)
{
	for (const char *p = text; *p != '\0'; p++) {
		switch (*p) {
		case '&':
			str_puts(out, "&amp;");
			break;
		case '<':
			str_puts(out, "&lt;");
			break;
		case '>':
			str_puts(out, "&gt;");
			break;
		case '"':
			str_puts(out, "&quot;");
			break;
		case '\'':
			str_puts(out, "&#39;");
			break;
		default:
			str_putc(out, *p);
		}
	}
}

bool template_has_placeholder(const char *text)
{
	const char *open = strstr(text, "{{");

	return open != NULL && strstr(open, "}}") != NULL;
}

/* Names come from code and tenants' locales: they stay below templates/. */
static bool is_name(const char *name)
{
	return name_len(name) > 0 && *name != '.' && *name != '/' &&
	       strstr(name, "..") == NULL;
}

static void close_file(void *fd)
{
	close((int)(intptr_t)fd);
}

/* errno says why not. */
static bool read_file(struct arena *a, const char *path, char **ret)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	char *text;

	if (fd < 0)
		return false;
	arena_defer(a, close_file, (void *)(intptr_t)fd);
	if (fstat(fd, &st) != 0)
		return false;
	errno = EFBIG;
	if (!S_ISREG(st.st_mode) || st.st_size > TEMPLATE_MAX_BYTES)
		return false;
	text = arena_alloc(a, (size_t)st.st_size + 1);
	/* A regular file comes whole, unless somebody just cut it. */
	errno = EIO;
	if (read(fd, text, (size_t)st.st_size) != st.st_size)
		return false;
	*ret = text;
	return true;
}

bool template_load(struct op *op, const char *name, const char **ret)
{
	char *path =
	    arena_printf(op->arena, "%s/%s", op->config->templates, name);
	char *text;

	errno = EINVAL;
	if (!is_name(name) || !read_file(op->arena, path, &text)) {
		op_fail_detail(op, "%s: %s", path, strerror(errno));
		return op_fail(op, FAIL_INTERNAL, "template_unreadable",
			       "a template cannot be read");
	}
	*ret = text;
	return true;
}
