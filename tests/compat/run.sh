#!/usr/bin/env bash
# Suites that others wrote for the protocols below ours, and our probes of HTTP/1.1 framing, against the real binary.
# run.sh [full|quick]: with all cases of permessage-deflate (12, 13), which take half an hour; or only what is done in a
# minute. BINARY: another than the release build.
set -euo pipefail
cd "$(dirname "$0")"
root=$(cd ../.. && pwd)
binary=${BINARY:-${CARGO_TARGET_DIR:-$root/target}/release/corecast}

. ../need.sh

need python3 python3 python3-venv
need go golang-go
if ! python3 -W ignore -c 'import lib2to3' 2>/dev/null; then
	need python3.11 python3.11 python3.11-venv
	python=python3.11
fi
python=${python:-python3}

# What is installed is what the lists said at the time: a changed list installs again.
make_venv "$python"
if ! cmp -s suite.txt .venv/suite/suite.txt; then
	rm -rf .venv/suite
	.venv/bin/pip download --quiet --disable-pip-version-check --no-deps --no-binary :all: --require-hashes -r suite.txt -d .venv/suite
	cp suite.txt .venv/suite/
fi
if ! cmp -s h2spec/go.sum .venv/h2spec.sum; then
	(cd h2spec && go build -o ../.venv/bin/h2spec github.com/summerwind/h2spec/cmd/h2spec)
	cp h2spec/go.sum .venv/h2spec.sum
fi
exec .venv/bin/python -W ignore compat.py "$binary" "$@"
