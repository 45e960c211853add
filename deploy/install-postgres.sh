#!/bin/sh
# Makes sure that Postgres' server programs (initdb, postgres) are there, which
# `paybuf dev` and the tests run a private cluster with. Installs them on Debian
# and Ubuntu; elsewhere it says what to install. Changes nothing if they are
# there, and never starts a server of the system's own.
#
#   deploy/install-postgres.sh [--quiet]
set -eu

major_min=15 # the first version with UNIQUE NULLS NOT DISTINCT

. "$(dirname "$0")/apt.sh"

# major prints the version of the postgres beside an initdb, or 0.
major() {
	real=$(readlink -f "$1") || real=$1
	version=$("$(dirname "$real")/postgres" --version 2>/dev/null) || version=
	version=${version#*"(PostgreSQL) "}
	version=${version%%[!0-9]*}
	echo "${version:-0}"
}

# find_programs prints the directory of programs that are new enough. It looks
# where internal/local/programs.go does, and like it takes PATH's first.
find_programs() {
	for initdb in \
		"$(command -v initdb || true)" \
		/usr/lib/postgresql/*/bin/initdb \
		/usr/pgsql-*/bin/initdb \
		/usr/local/pgsql/bin/initdb \
		/opt/homebrew/opt/postgresql*/bin/initdb \
		/usr/local/opt/postgresql*/bin/initdb \
		/usr/libexec/postgresql*/initdb; do
		[ -x "$initdb" ] || continue
		if [ "$(major "$initdb")" -ge "$major_min" ]; then
			dirname "$(readlink -f "$initdb")"
			return 0
		fi
	done
	return 1
}

# install_debian keeps Debian from creating and starting a cluster of its own,
# unless somebody has already said what they want there.
install_debian() {
	conf=/etc/postgresql-common/createcluster.conf
	if [ ! -e "$conf" ]; then
		as_root mkdir -p /etc/postgresql-common
		echo 'create_main_cluster = false' | as_root tee "$conf" >/dev/null
	fi
	install_packages postgresql
}

if dir=$(find_programs); then
	say "Postgres' server programs are in $dir: nothing to do."
	exit 0
fi

if can_install; then
	say "Installing Postgres' server programs with apt-get."
	quietly install_debian
	if dir=$(find_programs); then
		say "Postgres' server programs are in $dir."
		exit 0
	fi
	echo "apt-get's postgresql is older than version $major_min; see https://www.postgresql.org/download/" >&2
	exit 1
fi

cat >&2 <<END
Postgres' server programs (initdb, postgres) of version $major_min or later are missing. As root:
  Debian, Ubuntu:  apt-get install -y --no-install-recommends postgresql
  Fedora, RHEL:    dnf install -y postgresql-server
  Alpine:          apk add postgresql17
  macOS:           brew install postgresql@17
Then run this again.
END
exit 1
