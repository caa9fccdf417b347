#!/usr/bin/env bash
# The official clients against the real binary, with one core and with two. Installs them beside this file.
# run.sh [NAME…]: only checks whose names contain one of these. BINARY: another one than the release build.
set -euo pipefail
cd "$(dirname "$0")"
root=$(cd ../.. && pwd)
binary=${BINARY:-${CARGO_TARGET_DIR:-$root/target}/release/corecast}

. ../need.sh

need python3 python3 python3-venv
need node nodejs npm
need npm npm
need go golang-go
need openssl openssl

# What is installed is what the lists said at the time: a changed list installs again.
make_venv
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
