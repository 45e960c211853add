# What the scripts that install something share; they read this file.

say() {
	[ "$quiet" = yes ] || echo "$*"
}

# as_root runs a command as root, without ever asking for a password.
as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	else
		sudo -n "$@"
	fi
}

# can_install tells whether packages can be installed here.
can_install() {
	command -v apt-get >/dev/null && as_root true 2>/dev/null
}

# install_packages installs packages of Debian's, without what they only recommend.
install_packages() {
	as_root apt-get update
	as_root env DEBIAN_FRONTEND=noninteractive UCF_FORCE_CONFFOLD=1 \
		apt-get install -y --no-install-recommends "$@"
}

# quietly runs a command, and shows what it prints only if that is wanted.
quietly() {
	if [ "$quiet" = yes ]; then
		"$@" >/dev/null
	else
		"$@"
	fi
}

quiet=no
case "${1:-}" in
--quiet) quiet=yes ;;
'') ;;
*)
	echo "usage: $0 [--quiet]" >&2
	exit 2
	;;
esac
