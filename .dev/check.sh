# shellcheck shell=bash
# Part of ./dev: everything that must hold before a change lands.

# A run that counts fewer tests has lost some on the way.
MIN_TESTS=100

passed=0
failed=0

# Prints "passed failed" from the summaries of automake and of node --test;
# nothing where there is none. Skipped tests count as failed.
count_results() {
	sed 's/\x1b\[[0-9;]*m//g' "$1" | awk '
	/^# (PASS|XFAIL): / { good += $3; seen = 1 }
	/^# (FAIL|XPASS|ERROR|SKIP): / { bad += $3 }
	/^(#|ℹ) pass [0-9]+$/ { good += $3; seen = 1 }
	/^(#|ℹ) (fail|cancelled|skipped|todo) [0-9]+$/ { bad += $3 }
	END { if (seen) print good + 0, bad + 0 }'
}

# step NAME COMMAND...: a step without a summary of tests is one test.
step() {
	local name=$1 out=$log/check-$1.log status=0 good=0 bad=0 began=$SECONDS
	shift
	"$@" >"$out" 2>&1 || status=$?
	read -r good bad < <(count_results "$out") || { good=$((status == 0)) bad=0; }
	if [ "$status" != 0 ] && [ "$bad" = 0 ]; then
		bad=1
	fi
	passed=$((passed + good))
	failed=$((failed + bad))
	printf '%-12s %4d passed, %d failed (%d s)\n' \
		"$name" "$good" "$bad" $((SECONDS - began))
	if [ "$bad" != 0 ]; then
		show_failure "$out"
		return 1
	fi
}

show_failure() {
	grep -nE '^ *(not ok|FAIL|ERROR|✖)|error:|Sanitizer' "$1" | head -n 40 || true
	printf -- '--- the end of %s:\n' "${1#"$here"/}"
	tail -n 40 "$1"
}

build_with() {
	local dir=$1
	shift
	rm -rf "$dir"
	configure_in "$dir" --enable-werror "$@" &&
		make -C "$dir" -j"$(nproc)" all
}

unit_tests() { make -C "$1" -j"$(nproc)" check; }

browser() { BUILD_DIR=$1 "$here/tests/browser/run"; }

simulation() {
	local dir=$1
	shift
	BUILD_DIR=$dir "$here/tests/sim/run" "$@"
}

# A million customers, or SCALE; fails by its memory alone.
scale() { BUILD_DIR=$1 "$here/tests/load/run" scale; }

end_to_end() { BUILD_DIR=$1 "$here/tests/e2e/run"; }

lint() { make -C "$1" lint; }

openapi_lint() { "$here/tests/lint/openapi"; }

shell_lint() {
	shellcheck -x "$here/dev" "$here/nginx/render" "$here/.ci/run" \
		"$here/tests/e2e/run" "$here/tests/lint/openapi" \
		"$here/tests/stack/run" "$here/tests/browser/run" \
		"$here/tests/sim/run"
}

cmd_check() {
	local dir=$var/check
	export RETIVO_TESTS_STRICT=1 AM_COLOR_TESTS=no
	need_node
	step shell shell_lint || true
	step openapi openapi_lint || true
	if step gcc build_with "$dir/gcc" CC=gcc; then
		step unit unit_tests "$dir/gcc" || true
		step lint lint "$dir/gcc" || true
		step e2e end_to_end "$dir/gcc" || true
		step stack "$here/tests/stack/run" || true
		step browser browser "$dir/gcc" || true
		if [ "${1:-}" = long ]; then
			step sim-long simulation "$dir/gcc" long || true
			step scale scale "$dir/gcc" || true
		else
			step sim simulation "$dir/gcc" || true
		fi
	fi
	if step clang build_with "$dir/clang" CC=clang; then
		step clang-unit unit_tests "$dir/clang" || true
	fi
	if step asan build_with "$dir/asan" CC=gcc --enable-asan; then
		step asan-unit unit_tests "$dir/asan" || true
		step asan-e2e end_to_end "$dir/asan" || true
	fi
	if [ "${1:-}" = long ] && [ -d "$dir/gcc" ]; then
		step distcheck make -C "$dir/gcc" distcheck || true
	fi
	if [ $((passed + failed)) -lt "$MIN_TESTS" ]; then
		say "only $((passed + failed)) tests ran; at least $MIN_TESTS are known"
		failed=$((failed + 1))
	fi
	say "$passed passed, $failed failed"
	[ "$failed" = 0 ]
}
