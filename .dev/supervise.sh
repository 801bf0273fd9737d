# shellcheck shell=bash
# Part of ./dev: one background process starts the services, starts again what
# ends, and stops them all on SIGTERM. At first it starts only PostgreSQL;
# SIGUSR1 says that the database is ready for the rest. It holds the lock on
# var/supervisor.lock for as long as it lives.

# Per service: its process, the timer before its next start, when it was
# started and how long the next pause is. role[] tells what a process is.
declare -A child=() timer=() started=() pause=() role=()
wanted=(postgres)
stopping=false

supervisor_lives() {
	[ -e "$var/supervisor.lock" ] && ! flock -n "$var/supervisor.lock" true
}

service_command() {
	case $1 in
	postgres) command=("$(pg_bin)/postgres" -D "$pg" -k "$run/pg") ;;
	api) command=("$bin/retivo-api") ;;
	nginx) command=(nginx -p "$var/nginx" -e "$log/nginx.log"
		-c "$var/nginx/nginx.conf") ;;
	batch) command=("$bin/retivo-batch" --once) ;;
	esac
}

# Each service leads a process group, so that what it leaves behind can be
# ended too, and it gets a signal itself when the supervisor is gone.
exec_service() {
	exec 9>&- </dev/null >>"$log/$1.log" 2>&1
	cd /
	if [ "$1" = postgres ]; then
		exec setsid "${db_user[@]:-env}" \
			setpriv --pdeathsig INT "${command[@]}"
	fi
	# shellcheck source=/dev/null
	. "$settings"
	exec setsid setpriv --pdeathsig TERM "${command[@]}"
}

start_service() {
	local name=$1 command=()
	if [ -n "${timer[$name]:-}" ]; then
		unset "role[${timer[$name]}]" "timer[$name]"
	fi
	if [ "$name" = postgres ]; then
		clear_postgres
	fi
	service_command "$name"
	exec_service "$name" &
	child[$name]=$!
	role[$!]=$name
	started[$name]=$EPOCHSECONDS
	printf '%s\n' "$!" >"$run/$name.pid"
}

start_later() {
	sleep "$2" 9>&- &
	timer[$1]=$!
	role[$!]=timer:$1
}

# Backends outlive a killed postmaster for a moment. Only ours work in this
# data directory, and without them its pid file means nothing.
clear_postgres() {
	local i left pid
	for ((i = 0; i < 100; i++)); do
		left=$(as_db_user find /proc -maxdepth 2 -name cwd -lname "$pg" \
			2>/dev/null | grep -oE '[0-9]+' || true)
		if [ -z "$left" ]; then
			rm -f "$pg/postmaster.pid"
			return
		fi
		if [ "$i" -ge 30 ]; then
			for pid in $left; do
				kill -KILL "$pid" 2>/dev/null || true
			done
		fi
		sleep 0.1
	done
}

# A service that ran for a while comes back at once; one that keeps failing
# is tried ever less often, down to each 30 seconds. The batch is cron's.
service_ended() {
	local name=$1 pid=$2 status=$3 lived wait
	lived=$((EPOCHSECONDS - started[$name]))
	kill -KILL -- "-$pid" 2>/dev/null || true
	unset "child[$name]"
	rm -f "$run/$name.pid"
	if [ "$name" = batch ]; then
		start_later batch $((60 - EPOCHSECONDS % 60))
		return
	fi
	if [ "$lived" -ge 10 ]; then
		pause[$name]=0
	fi
	wait=${pause[$name]:-0}
	pause[$name]=$((wait == 0 ? 1 : wait < 16 ? wait * 2 : 30))
	printf '%(%FT%T%z)T %s ended with status %s after %s s; again in %s s\n' \
		-1 "$name" "$status" "$lived" "$wait"
	start_later "$name" "$wait"
}

process_ended() {
	local pid=$1 status=$2 what
	what=${role[$pid]:-}
	unset "role[$pid]"
	case $what in
	'') ;;
	timer:tick) start_later tick 2 ;;
	timer:*) start_service "${what#timer:}" ;;
	*) service_ended "$what" "$pid" "$status" ;;
	esac
}

# bash forgets a job that ended by a signal before `wait -n` was called, so
# what `wait -n` says is only a reason to look.
find_ended() {
	local pid status
	for pid in "${!role[@]}"; do
		if ! kill -0 "$pid" 2>/dev/null; then
			status=0
			wait "$pid" || status=$?
			process_ended "$pid" "$status"
		fi
	done
}

start_wanted() {
	local name
	for name in "${wanted[@]}"; do
		if [ -z "${child[$name]:-}" ]; then
			start_service "$name"
		fi
	done
	wanted=()
}

stop_service() {
	local name=$1 signal=$2 seconds=$3 pid=${child[$1]:-} i
	if [ -z "$pid" ]; then
		return
	fi
	kill "-$signal" "$pid" 2>/dev/null || true
	for ((i = 0; i < seconds * 10; i++)); do
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.1
	done
	kill -KILL -- "-$pid" 2>/dev/null || true
	rm -f "$run/$name.pid"
}

# The tick bounds how long a signal waits that came just before `wait`.
supervise() {
	exec 9>"$var/supervisor.lock"
	flock -n 9 || exit 0
	run=$(readlink -f "$var/run")
	pg=$(readlink -f "$var/pg")
	rm -f "$run"/*.pid
	trap 'stopping=true' TERM INT
	trap 'wanted=(postgres api nginx batch)' USR1
	trap '' HUP
	printf '%s\n' "$$" >"$var/supervisor.pid"
	start_later tick 2
	while [ "$stopping" = false ]; do
		start_wanted
		wait -n || true
		find_ended
	done
	stop_service batch TERM 10
	stop_service nginx TERM 5
	stop_service api TERM 15
	stop_service postgres INT 60
	kill "${timer[@]}" 2>/dev/null || true
	rm -f "$var/supervisor.pid"
}

start_supervisor() {
	local i
	if supervisor_lives; then
		return
	fi
	if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
		die "port $port is in use; choose another with RETIVO_PORT"
	fi
	rm -f "$var/supervisor.pid"
	setsid "$here/dev" _supervise </dev/null >>"$log/supervisor.log" 2>&1 &
	for ((i = 0; i < 100; i++)); do
		if [ -s "$var/supervisor.pid" ]; then
			return
		fi
		sleep 0.1
	done
	die "the supervisor does not start; see var/log/supervisor.log"
}

signal_service() {
	if [ -e "$run/$1.pid" ]; then
		kill "-$2" "$(cat "$run/$1.pid")" 2>/dev/null || true
	fi
}

# Where everything was running already, what this `up` changed takes effect.
refresh_services() {
	local stamp=$run/api.pid
	if [ "$bin/retivo-api" -nt "$stamp" ] || [ "$settings" -nt "$stamp" ]; then
		signal_service api TERM
	fi
	signal_service nginx HUP
	kill -USR1 "$(cat "$var/supervisor.pid")"
}

wait_for_health() {
	local url=https://localhost:$port/api/health i
	for ((i = 0; i < 120; i++)); do
		if curl -sf -o /dev/null --noproxy '*' --max-time 5 \
			--cacert "$var/tls/ca.pem" "$url"; then
			return
		fi
		sleep 0.5
	done
	die "$url does not become healthy; see var/log"
}
