# shellcheck shell=bash
# Part of ./dev: where data and sockets live, and the files that the services
# read. Sets $run, $pg and $port.

# PostgreSQL refuses to be root and becomes its package's user then; the
# other programs run as whoever owns the checkout, as from a terminal.
db_user=()
if [ "$(id -u)" = 0 ]; then
	db_user=(setpriv --reuid=postgres --regid=postgres --init-groups)
fi

as_db_user() { (cd / && exec "${db_user[@]:-env}" "$@"); }

db_user_dir() {
	if [ "$(id -u)" = 0 ]; then
		install -d -o postgres -g postgres -m 700 "$1"
	else
		install -d -m 700 "$1"
	fi
}

# PostgreSQL's user must reach its data, and root's checkouts are mostly
# closed to others. Then var/pg is a link to a directory that is not.
place_data() {
	if [ ! -e "$var/pg" ] && ! as_db_user test -x "$var"; then
		ln -sfn "$(as_db_user mktemp -d /var/lib/postgresql/retivo-XXXXXX)" \
			"$var/pg"
		say "the checkout is closed to PostgreSQL; its data is in $(readlink "$var/pg")"
	fi
	pg=$(readlink -f "$var/pg")
	db_user_dir "$pg"
}

# The path of a Unix socket has 107 bytes at most, and PostgreSQL must reach
# it. Where var/run cannot do that, it is a link to a short directory.
place_sockets() {
	if [ -L "$var/run" ] && [ ! -O "$var/run/." ]; then
		rm -f "$var/run"
	fi
	if [ ! -e "$var/run" ]; then
		if [ ${#var} -gt 80 ] || ! as_db_user test -x "$var"; then
			ln -sfn "$(mktemp -d /tmp/retivo-XXXXXX)" "$var/run"
			chmod 755 "$var/run/."
		else
			mkdir "$var/run"
		fi
	fi
	run=$(readlink -f "$var/run")
	db_user_dir "$run/pg"
}

choose_port() {
	port=${RETIVO_PORT:-$(cat "$var/port" 2>/dev/null || echo 8443)}
	[[ $port =~ ^[1-9][0-9]{0,4}$ ]] || die "not a port: RETIVO_PORT=$port"
	printf '%s\n' "$port" >"$var/port"
}

make_secret() {
	if [ ! -s "$var/master.key" ]; then
		(umask 077 && openssl rand -hex 32 >"$var/master.key")
	fi
}

# A small CA of our own, so that clients can check the certificate.
make_certificate() {
	if [ -s "$var/tls/server.pem" ] && openssl x509 -noout -checkend 2592000 \
		-in "$var/tls/server.pem" >/dev/null; then
		return
	fi
	install -d -m 700 "$var/tls"
	(
		umask 077
		cd "$var/tls"
		openssl ecparam -name prime256v1 -genkey -noout -out ca.key
		openssl req -x509 -new -key ca.key -days 3650 -out ca.pem \
			-subj "/CN=Retivo development CA" \
			-addext "keyUsage=critical,keyCertSign,cRLSign"
		openssl ecparam -name prime256v1 -genkey -noout -out server.key
		openssl req -new -key server.key -subj /CN=localhost -out server.csr
		printf '%s\n' 'subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1' \
			'extendedKeyUsage=serverAuth' >server.ext
		openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key \
			-CAcreateserial -days 825 -extfile server.ext -out server.pem
	) >"$log/openssl.log" 2>&1 || die "openssl failed; see var/log/openssl.log"
}

listen_addresses() {
	printf '127.0.0.1:%s' "$port"
	if [ -s /proc/net/if_inet6 ]; then
		printf ' [::1]:%s' "$port"
	fi
}

# The limits on requests are there, but far away.
write_site() {
	local rate=1000000r/s user=
	if [ "$(id -u)" = 0 ]; then
		user='user root;'
	fi
	mkdir -p "$var/nginx"
	"$here/nginx/render" "listen=$(listen_addresses)" \
		tls_certificate="$var/tls/server.pem" \
		tls_key="$var/tls/server.key" \
		access_log="$log/access.log" socket="$run/api.sock" \
		dashboard="$here/templates/dashboard" \
		rate_key=$rate rate_address=$rate rate_auth=$rate \
		burst_key=100000 burst_address=100000 burst_auth=100000 \
		<"$here/nginx/retivo.conf.in" >"$var/nginx/site.conf"
	"$here/nginx/render" prefix="$var/nginx" error_log="$log/nginx.log" \
		site="$var/nginx/site.conf" user="$user" \
		<"$here/nginx/standalone.conf.in" >"$var/nginx/nginx.conf"
	nginx -t -q -p "$var/nginx" -e "$log/nginx.log" \
		-c "$var/nginx/nginx.conf" || die "nginx refuses var/nginx/nginx.conf"
}

# Byte by byte, so that any path survives being part of a URL.
url_encode() {
	local LC_ALL=C text=$1 i c
	for ((i = 0; i < ${#text}; i++)); do
		c=${text:i:1}
		case $c in
		[A-Za-z0-9._-]) printf '%s' "$c" ;;
		*) printf '%%%02X' "'$c" ;;
		esac
	done
}

database_url() {
	printf 'postgresql:///retivo?host=%s&user=%s' \
		"$(url_encode "$run/pg")" "$1"
}

setting() { printf "export %s='%s'\n" "$1" "${2//\'/\'\\\'\'}"; }

# Beside our own: what the caller's environment says about mail and the like.
list_settings() {
	local name
	setting RETIVO_DATABASE_URL "$(database_url retivo_admin)"
	setting RETIVO_API_DATABASE_URL "$(database_url retivo_api)"
	setting RETIVO_BATCH_DATABASE_URL "$(database_url retivo_batch)"
	setting RETIVO_BASE_URL "https://localhost:$port"
	setting RETIVO_SOCKET "$run/api.sock"
	setting RETIVO_MASTER_KEY_FILE "$var/master.key"
	setting RETIVO_TEMPLATES "$here/templates"
	setting RETIVO_SCHEMA "$here/schema.sql"
	if [ -z "${RETIVO_SMTP_URL:-}" ]; then
		setting RETIVO_MAIL_DIR "$var/mail"
	fi
	for name in ${!RETIVO_SMTP_@} ${!RETIVO_STRIPE_@} ${!RETIVO_LLM_@} RETIVO_MAIL_FROM \
		RETIVO_OUTBOUND_ALLOW \
		RETIVO_WORKERS RETIVO_LOG_LEVEL RETIVO_TESTING RETIVO_CLOCK; do
		if [ -n "${!name:-}" ]; then
			setting "$name" "${!name}"
		fi
	done
}

# Touched only when something changed: services restart after that.
write_settings() {
	install -d -m 700 "$var/mail"
	(umask 077 && list_settings >"$settings.new")
	if cmp -s "$settings.new" "$settings"; then
		rm "$settings.new"
	else
		mv "$settings.new" "$settings"
	fi
}

with_settings() (
	# shellcheck source=/dev/null
	. "$settings"
	exec "$@"
)

# For a person's shell: . var/env
list_env() {
	local line
	setting RETIVO_URL "https://localhost:$port"
	setting RETIVO_CA "$var/tls/ca.pem"
	setting RETIVO_DATABASE_URL "$(database_url retivo_admin)"
	while IFS= read -r line; do
		setting "${line%%=*}" "${line#*=}"
	done <"$var/demo.env"
}

write_env() {
	(umask 077 && list_env >"$var/env.new")
	mv "$var/env.new" "$var/env"
}
