# shellcheck shell=bash
# Sourced by the runners of live/ and compat/.

need() { # need COMMAND PACKAGES…: installs Debian packages when a command is missing
	local command=$1
	shift
	command -v "$command" >/dev/null 2>&1 && return
	if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
		apt-get update -qq && apt-get install -y -qq --no-install-recommends "$@" >/dev/null
	else
		echo "$command is missing: install $*" >&2
		exit 1
	fi
}

make_venv() { # make_venv [PYTHON]: .venv with what requirements.txt says; a changed list installs again
	cmp -s requirements.txt .venv/requirements.txt && return
	"${1:-python3}" -m venv .venv 2>/dev/null || { need ensurepip-of-python python3-venv; "${1:-python3}" -m venv .venv; }
	.venv/bin/pip install --quiet --disable-pip-version-check -r requirements.txt
	cp requirements.txt .venv/
}
