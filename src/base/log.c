/*
 * Log lines are put together in a fixed buffer and leave in one write(2),
 * so that lines of many workers never mix and logging works when memory
 * is out.
 */
#include "base/log.h"

#include "base/str.h"

#include <stdarg.h>
#include <unistd.h>

#define LINE_MAX_BYTES 8192

static enum log_level threshold = LOG_INFO;

void log_set_level(enum log_level level)
{
	threshold = level;
}

/* The rest of a line that is too long is lost, its end is not. */
static size_t clip(int len, size_t room)
{
	if (len < 0)
		return 0;
	return (size_t)len < room ? (size_t)len : room - 1;
}

void log_write(enum log_level level, const char *event, const char *format, ...)
{
	char line[LINE_MAX_BYTES];
	size_t len, room = sizeof(line) - 1;
	va_list args;

	if (level > threshold)
		return;
	len = clip(snprintf(line, room, "<%d>event=%s ", (int)level, event),
		   room);
	va_start(args, format);
	len +=
	    clip(vsnprintf(line + len, room - len, format, args), room - len);
	va_end(args);
	/* One line an event: text from outside cannot start another. */
	for (size_t i = 0; i < len; i++) {
		if (line[i] == '\n' || line[i] == '\r')
			line[i] = ' ';
	}
	line[len++] = '\n';
	/* Nothing can be done about a log that cannot be written. */
	if (write(STDERR_FILENO, line, len) < 0)
		return;
}

const char *log_quote(struct arena *a, const char *value)
{
	struct str s;

	str_init(&s, a, SIZE_MAX);
	str_putc(&s, '"');
	for (const char *p = value; *p != '\0'; p++) {
		unsigned char c = (unsigned char)*p;

		if (c == '"' || c == '\\')
			str_printf(&s, "\\%c", c);
		else if (c < 0x20 || c == 0x7f)
			str_printf(&s, "\\x%02x", c);
		else
			str_putc(&s, *p);
	}
	str_putc(&s, '"');
	return s.bytes;
}
