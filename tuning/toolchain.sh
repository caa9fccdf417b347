#!/bin/sh
# Installs what a fresh Debian 12 lacks for building: a C compiler (for mimalloc, aws-lc and liburing) and make.
set -eu
if ! command -v cargo >/dev/null 2>&1; then
	echo "cargo is missing: install the stable Rust toolchain (https://rustup.rs or your distribution), then try again" >&2
	exit 1
fi
command -v cc >/dev/null 2>&1 && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
	apt-get update -qq && apt-get install -y -qq --no-install-recommends gcc libc6-dev make >/dev/null
	exit 0
fi
echo "a C compiler is missing: install gcc and libc6-dev (apt-get install gcc libc6-dev), then try again" >&2
exit 1
