# shellcheck shell=bash
# Part of ./dev: who runs it, what must be installed, and the build.

packages_for() {
	case $1 in
	up | bench | check)
		echo autoconf automake autoconf-archive pkg-config gcc make \
			libc6-dev libfcgi-dev libpq-dev libjson-c-dev \
			libcurl4-openssl-dev libsodium-dev libssl-dev \
			zlib1g-dev check nginx postgresql openssl curl procps
		;;
	esac
	case $1 in
	check) echo clang libclang-rt-14-dev clang-format shellcheck git \
		python3 systemd chromium ;;
	shots) echo chromium ;;
	bench) echo wrk ;;
	esac
	case $1 in
	check | bench | shots)
		if ! command -v npm >/dev/null; then
			echo nodejs npm
		fi
		;;
	esac
}

owner_uid() { stat -c %u "$here"; }

# With sudo in somebody's checkout, everything but the packages is done as
# that person: what appears in var/ is theirs.
become_owner() {
	local uid entry
	uid=$(owner_uid)
	if [ "$(id -u)" != 0 ] || [ "$uid" = 0 ] ||
		! entry=$(getent passwd "$uid"); then
		return 0
	fi
	exec setpriv --reuid="$uid" --regid="$(cut -d: -f4 <<<"$entry")" \
		--init-groups env HOME="$(cut -d: -f6 <<<"$entry")" \
		USER="${entry%%:*}" LOGNAME="${entry%%:*}" "$here/dev" "$@"
}

make_var() {
	mkdir -p "$log" 2>/dev/null || true
	[ -w "$log" ] || die "var/ is not writable for $(id -un)"
	chmod 700 "$log"
	if [ "$(id -u)" = 0 ]; then
		chown "$(owner_uid)" "$var" "$log"
	fi
}

as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	else
		sudo "$@"
	fi
}

# sudo may ask for a password, but only where somebody can answer.
can_be_root() {
	if [ "$(id -u)" = 0 ]; then
		return 0
	fi
	command -v sudo >/dev/null || return 1
	sudo -n true 2>/dev/null || { [ -t 0 ] && sudo true; }
}

# Debian starts the servers that it installs. Here they are only wanted as
# programs, so that is switched off for the length of the installation.
apt_install() {
	local policy=/usr/sbin/policy-rc.d ours=false status=0
	if [ ! -e "$policy" ]; then
		printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
		as_root chmod 755 "$policy"
		ours=true
	fi
	as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q \
		--no-install-recommends "$@" >>"$log/apt.log" 2>&1 || status=$?
	if [ "$ours" = true ]; then
		as_root rm -f "$policy"
	fi
	return "$status"
}

is_installed() {
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

need_packages() {
	local missing=() p
	for p in $(packages_for "$1"); do
		is_installed "$p" || missing+=("$p")
	done
	if [ ${#missing[@]} = 0 ]; then
		return
	fi
	command -v apt-get >/dev/null ||
		die "no apt-get here; these Debian packages are needed: ${missing[*]}"
	can_be_root ||
		die "missing packages; as root: apt-get install ${missing[*]}"
	say "installing ${missing[*]}"
	apt_install "${missing[@]}" && return
	as_root apt-get update -q >>"$log/apt.log" 2>&1 || true
	apt_install "${missing[@]}" ||
		die "apt-get install ${missing[*]} failed; see var/log/apt.log"
}

node_is_new() {
	[ "$("$1" -p 'parseInt(process.versions.node)' 2>/dev/null || echo 0)" -ge 20 ]
}

# Debian 12 has Node 18 and the tests need 20: npm's package "node" is Node.
need_node() {
	local private=$var/node/node_modules/node/bin
	if node_is_new node; then
		return
	fi
	if ! node_is_new "$private/node"; then
		say "installing Node 20 in var/node"
		npm install --prefix "$var/node" --no-save --no-audit --no-fund \
			node@20 >>"$log/npm.log" 2>&1 ||
			die "npm install node@20 failed; see var/log/npm.log"
	fi
	PATH=$private:$PATH
	node_is_new node || die "Node 20 or newer is needed; see var/log/npm.log"
}

# Writes what went wrong into the log that the caller opened.
configure_in() {
	local dir=$1
	shift
	if [ ! -x "$here/configure" ]; then
		(cd "$here" && autoreconf -i) || return
	fi
	mkdir -p "$dir"
	if [ ! -f "$dir/Makefile" ]; then
		(cd "$dir" && "$here/configure" -q "$@")
	fi
}

build_programs() {
	{
		configure_in "$build" && make -C "$build" -j"$(nproc)" all
	} >"$log/build.log" 2>&1 || {
		grep -iE 'error|\*\*\*' "$log/build.log" | head -n 20 >&2
		die "the build failed; see var/log/build.log"
	}
}
