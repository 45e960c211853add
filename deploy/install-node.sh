#!/bin/sh
# Makes sure that node and npm are there, which the trials verify webhooks with, as
# clients in another language do. Installs them on Debian and Ubuntu; elsewhere it says
# what to install. Changes nothing if they are there.
#
#   deploy/install-node.sh [--quiet]
set -eu
. "$(dirname "$0")/apt.sh"

major_min=18

# found tells whether a node that is new enough is there, and npm.
found() {
	command -v npm >/dev/null || return 1
	version=$(node --version 2>/dev/null) || return 1
	version=${version#v}
	[ "${version%%.*}" -ge "$major_min" ]
}

if found; then
	say "node $(node --version) and npm are there: nothing to do."
	exit 0
fi

if can_install; then
	say "Installing node and npm with apt-get."
	quietly install_packages nodejs npm
	if found; then
		say "node $(node --version) and npm are there."
		exit 0
	fi
	echo "apt-get's nodejs is older than version $major_min; see https://nodejs.org/en/download" >&2
	exit 1
fi

cat >&2 <<END
node of version $major_min or later and npm are missing. As root:
  Debian, Ubuntu:  apt-get install -y --no-install-recommends nodejs npm
  Fedora, RHEL:    dnf install -y nodejs npm
  Alpine:          apk add nodejs npm
  macOS:           brew install node
Then run this again.
END
exit 1
