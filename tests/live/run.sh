#!/usr/bin/env bash
# The official clients against the real binary, with one core and with two. Installs them beside this file.
# run.sh [NAME…]: only checks whose names contain one of these.
set -euo pipefail
cd "$(dirname "$0")"
root=$(cd ../.. && pwd)
binary=${CARGO_TARGET_DIR:-$root/target}/release/corecast

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

need python3 python3 python3-venv
need node nodejs npm
need npm npm
need go golang-go

# What is installed is what the lists said at the time: a changed list installs again.
if ! cmp -s requirements.txt .venv/requirements.txt; then
	python3 -m venv .venv 2>/dev/null || { need ensurepip-of-python python3-venv; python3 -m venv .venv; }
	.venv/bin/pip install --quiet --disable-pip-version-check -r requirements.txt
	cp requirements.txt .venv/
fi
if ! cmp -s package-lock.json node_modules/package-lock.json; then
	npm ci --silent --no-audit --no-fund
	cp package-lock.json node_modules/
fi
mkdir -p .venv/stubs
.venv/bin/python -m grpc_tools.protoc -I "$root/proto" --python_out=.venv/stubs --grpc_python_out=.venv/stubs api.proto
(cd gocent && go build -o ../.venv/gocent .)

for cores in 1 2; do
	if [ "$cores" -gt "$(nproc)" ]; then
		echo "live: $cores cores are not there, skipped"
		continue
	fi
	PYTHONPATH=.venv/stubs .venv/bin/python live.py "$binary" "$cores" "$@"
done
