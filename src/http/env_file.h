/*
 * A file of settings, KEY=value a line, as systemd's EnvironmentFile: blank
 * lines and lines with # are skipped, one pair of quotes around a value is
 * taken off. Its values enter the environment, from where config_load()
 * reads them; so that SIGHUP can bring new ones.
 */
#ifndef HTTP_ENV_FILE_H
#define HTTP_ENV_FILE_H

#include "base/str.h"

/*
 * Sets each KEY of the file; a key that an earlier load set and that is not
 * there any more is unset. On failure nothing is changed, a line is added
 * to problems, and false is returned.
 */
MUST_CHECK bool env_file_load(const char *path, struct str *problems);

#endif
