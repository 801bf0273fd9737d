# shellcheck shell=bash
# Part of ./dev: pictures of the dashboard, for people to look at.

cmd_shots() {
	supervisor_lives || die "nothing runs; start it with ./dev up"
	need_node
	if [ ! -d "$here/tests/browser/node_modules/playwright-core" ]; then
		(cd "$here/tests/browser" && npm ci --no-audit --no-fund) \
			>>"$log/npm.log" 2>&1 || die "npm ci failed; see var/log/npm.log"
	fi
	(
		set -a
		# shellcheck source=/dev/null
		. "$var/env"
		exec node "$here/tests/browser/shots.mjs" "$var/shots" "$@"
	)
	say "the pictures are in var/shots"
}
