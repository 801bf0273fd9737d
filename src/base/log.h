/*
 * One line an event on stderr: `<n>` priority for journald, then
 * key=value pairs. Only the edges log above debug (dispatcher, batch
 * stage loop, master); the layers below fail by op_fail().
 *
 *   log_write(LOG_WARN, "worker_exit", "pid=%d status=%d", pid, status);
 *   → <4>event=worker_exit pid=71 status=9
 *
 * Values with spaces are quoted by log_quote(). No secret, token, message
 * text or trait of a customer is ever logged.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/arena.h"
#include "base/base.h"

/* The numbers are syslog's priorities. */
enum log_level { LOG_ERROR = 3, LOG_WARN = 4, LOG_INFO = 6, LOG_DEBUG = 7 };

/* Lines less urgent than this are dropped. Default LOG_INFO. */
void log_set_level(enum log_level level);

void log_write(enum log_level level, const char *event, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* arena: the value in double quotes, control characters and quotes escaped. */
const char *log_quote(struct arena *a, const char *value);

#endif
