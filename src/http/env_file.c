/*
 * KEY=value lines → environment. Read whole and checked before anything is
 * set, so that a half-written file changes nothing.
 */
#include "http/env_file.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define FILE_MAX (256u << 10)
#define KEYS_MAX 256

struct line {
	const char *key;
	const char *value;
};

/* Keys that the last load set; they live with the process. */
static char *known[KEYS_MAX];
static size_t known_count;
static struct arena *known_arena;

static bool read_all(const char *path, struct str *ret)
{
	char piece[4096];
	ssize_t got;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	while ((got = read(fd, piece, sizeof(piece))) > 0)
		str_put(ret, piece, (size_t)got);
	close(fd);
	if (!str_ok(ret))
		errno = EFBIG;
	return got == 0 && str_ok(ret);
}

static bool is_key(const char *text, size_t len)
{
	if (len == 0 || isdigit((unsigned char)text[0]))
		return false;
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)text[i]) && text[i] != '_')
			return false;
	return true;
}

/* Without blanks around it and without one pair of quotes. */
static const char *value_of(struct arena *a, const char *text, size_t len)
{
	while (len > 0 && isspace((unsigned char)text[len - 1]))
		len--;
	while (len > 0 && isspace((unsigned char)*text)) {
		text++;
		len--;
	}
	if (len >= 2 && (*text == '"' || *text == '\'') &&
	    text[len - 1] == *text) {
		text++;
		len -= 2;
	}
	return arena_strndup(a, text, len);
}

static bool parse_lines(struct arena *a, const char *text, struct line *lines,
			size_t *count, struct str *problems)
{
	for (int number = 1; *text != '\0'; number++) {
		size_t len = strcspn(text, "\n");
		const char *start = text + strspn(text, " \t");
		const char *equals = memchr(text, '=', len);

		text += len + (text[len] == '\n');
		if (strchr("#;\r\n", *start) != NULL)
			continue;
		if (equals == NULL || *count == KEYS_MAX ||
		    !is_key(start, (size_t)(equals - start))) {
			str_printf(problems, "line %d is not KEY=value\n",
				   number);
			return false;
		}
		lines[*count].key =
		    arena_strndup(a, start, (size_t)(equals - start));
		lines[*count].value =
		    value_of(a, equals + 1, strcspn(equals + 1, "\n"));
		(*count)++;
	}
	return true;
}

static bool is_in(const char *key, const struct line *lines, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (streq(lines[i].key, key))
			return true;
	return false;
}

static void apply(const struct line *lines, size_t count)
{
	for (size_t i = 0; i < known_count; i++)
		if (!is_in(known[i], lines, count))
			unsetenv(known[i]);
	arena_free(known_arena);
	known_arena = arena_new();
	known_count = count;
	for (size_t i = 0; i < count; i++) {
		setenv(lines[i].key, lines[i].value, 1);
		known[i] = arena_strdup(known_arena, lines[i].key);
	}
}

bool env_file_load(const char *path, struct str *problems)
{
	struct arena *a = arena_new();
	struct line *lines = ARENA_ARRAY(a, struct line, KEYS_MAX);
	size_t count = 0;
	struct str text;
	bool ok;

	str_init(&text, a, FILE_MAX);
	ok = read_all(path, &text);
	if (!ok)
		str_printf(problems, "cannot read %s: %s\n", path,
			   strerror(errno));
	else
		ok = parse_lines(a, text.bytes, lines, &count, problems);
	if (ok)
		apply(lines, count);
	arena_free(a);
	return ok;
}
