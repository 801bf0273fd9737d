# shellcheck shell=bash
# Part of ./dev: the private PostgreSQL, its roles, schema and demo tenant.

# The version that made the cluster, or else the newest one.
pg_bin() {
	local version found
	version=$(as_db_user cat "$pg/PG_VERSION" 2>/dev/null || echo '*')
	# shellcheck disable=SC2086
	found=$(printf '%s\n' /usr/lib/postgresql/$version/bin | sort -V | tail -n 1)
	printf '%s' "$found"
}

# Pages are logged whole after each checkpoint, so checkpoints are rare; no
# query takes the second core from the API beside it.
cluster_settings() {
	local memory_mb
	memory_mb=$(awk '/^MemTotal:/ { print int($2 / 1024) }' /proc/meminfo)
	cat <<TEXT
listen_addresses = ''
unix_socket_permissions = 0700
shared_buffers = $((memory_mb / 4 < 1024 ? memory_mb / 4 : 1024))MB
max_wal_size = 4GB
checkpoint_timeout = 30min
wal_compression = lz4
max_parallel_workers_per_gather = 0
client_connection_check_interval = 5s
TEXT
}

make_cluster() {
	if as_db_user test -s "$pg/PG_VERSION"; then
		return
	fi
	as_db_user "$(pg_bin)/initdb" -D "$pg" -U postgres --auth=trust \
		--encoding=UTF8 --locale=C.UTF-8 --data-checksums \
		>"$log/initdb.log" 2>&1 || die "initdb failed; see var/log/initdb.log"
	cluster_settings | as_db_user tee -a "$pg/postgresql.conf" >/dev/null
}

wait_for_postgres() {
	local i
	for ((i = 0; i < 600; i++)); do
		if pg_isready -q -h "$run/pg"; then
			return
		fi
		sleep 0.1
	done
	die "PostgreSQL does not come up; see var/log/postgres.log"
}

# Runs the statement unless the query finds something.
unless_found() {
	local psql=(psql -X -q -At -v ON_ERROR_STOP=1 -h "$run/pg"
		-U postgres -d postgres -c)
	if [ -z "$("${psql[@]}" "$1")" ]; then
		"${psql[@]}" "$2"
	fi
}

make_database() {
	unless_found "SELECT 1 FROM pg_roles WHERE rolname = 'retivo_admin'" \
		'CREATE ROLE retivo_admin LOGIN CREATEROLE BYPASSRLS'
	unless_found "SELECT 1 FROM pg_database WHERE datname = 'retivo'" \
		'CREATE DATABASE retivo OWNER retivo_admin'
	with_settings "$bin/retivo-admin" db apply >"$log/db.log" 2>&1 || {
		tail -n 3 "$log/db.log" >&2
		die "retivo-admin db apply failed; see var/log/db.log"
	}
}

make_demo() {
	if [ -s "$var/demo.env" ]; then
		return
	fi
	say "the demo tenant lives its last 45 days"
	(
		umask 077
		with_settings "$bin/retivo-admin" demo \
			>"$var/demo.env.new" 2>"$log/demo.log"
	) || {
		tail -n 3 "$log/demo.log" >&2
		die "retivo-admin demo failed; see var/log/demo.log"
	}
	mv "$var/demo.env.new" "$var/demo.env"
}
