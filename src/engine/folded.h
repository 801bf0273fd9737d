/*
 * Text in the form that quality checks compare: as it reads, not as it is
 * spelled. White space of any kind and amount is one space, what is not
 * shown is not there, wide forms, dashes and curly quotes are the plain
 * ones, and letters are small, beyond ASCII too. Not a normal form of
 * Unicode: a letter and a combining accent stay two.
 *
 * A table of its own, because what a message's checks say must not depend on
 * the locales of a host.
 */
#ifndef ENGINE_FOLDED_H
#define ENGINE_FOLDED_H

#include "base/arena.h"

/* arena: never longer than text. Bytes that are no UTF-8 stay. */
const char *folded_text(struct arena *a, const char *text);

/* No letter or digit before at, which is inside text. Both of folded text. */
bool folded_is_left_edge(const char *text, const char *at);

/* No letter or digit begins at `at`. */
bool folded_is_right_edge(const char *at);

/*
 * Borrowed as text is: where phrase begins, as words of their own where it has
 * letters or digits at its ends; NULL: nowhere, or the phrase is empty. Both
 * folded.
 */
const char *folded_find(const char *text, const char *phrase);

#endif
