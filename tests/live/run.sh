#!/usr/bin/env bash
# The official clients against the real binary, with one core and with two. Installs them beside this file.
# run.sh [NAME…]: only checks whose names contain one of these. BINARY: another one than the release build.
set -euo pipefail
cd "$(dirname "$0")"
root=$(cd ../.. && pwd)
binary=${BINARY:-${CARGO_TARGET_DIR:-$root/target}/release/corecast}

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
need openssl openssl

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

# The tests that the clients for Python and Go bring along.
suites=.venv/suites
if ! cmp -s suites.txt $suites/suites.txt; then
	rm -rf $suites
	.venv/bin/pip download --quiet --disable-pip-version-check --no-deps --no-binary :all: --require-hashes -r suites.txt -d $suites
	tar -xzf $suites/centrifuge_python-*.tar.gz -C $suites
	cp suites.txt $suites/
fi
if ! cmp -s centrifuge-go/go.mod $suites/centrifuge-go.mod; then
	rm -rf $suites/centrifuge-go
	cp -r "$(cd centrifuge-go && go mod download && go list -m -f '{{.Dir}}' github.com/centrifugal/centrifuge-go)" $suites/centrifuge-go
	chmod -R u+w $suites/centrifuge-go
	# Their address of the server becomes a variable; where they want nobody to listen, nobody does.
	sed -i 's|"ws://localhost:8000/|"ws://"+os.Getenv("CORECAST_ADDRESS")+"/|; s|localhost:9000/|localhost:1/|' $suites/centrifuge-go/*_test.go
	for file in $(grep -l CORECAST_ADDRESS $suites/centrifuge-go/*_test.go); do
		grep -q '"os"' "$file" || sed -i '0,/^import (/s//import (\n\t"os"/' "$file"
	done
	(cd $suites/centrifuge-go && go test -c -o ../centrifuge-go.test .)
	cp centrifuge-go/go.mod $suites/centrifuge-go.mod
fi

failed=0
for cores in 1 2; do
	if [ "$cores" -gt "$(nproc)" ]; then
		echo "live: $cores cores are not there, skipped"
		continue
	fi
	GRPC_VERBOSITY=NONE PYTHONPATH=.venv/stubs .venv/bin/python live.py "$binary" "$cores" "$@" || failed=1
done
exit $failed
