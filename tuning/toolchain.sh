#!/bin/sh
# Installs what a fresh Debian 12 lacks: a C compiler for building (mimalloc, aws-lc, liburing) and, with the argument
# `test`, Python for the test that starts the server under a filter, curl for the examples of docs/api.md and shellcheck for
# the scripts of tuning/; with `instructions`, valgrind. What the official clients need (Node, Go, a virtual environment of
# Python) tests/live/run.sh installs.
set -eu
if ! command -v cargo >/dev/null 2>&1; then
	echo "cargo is missing: install the stable Rust toolchain (https://rustup.rs or your distribution), then try again" >&2
	exit 1
fi
packages=
command -v cc >/dev/null 2>&1 || packages="gcc libc6-dev make"
if [ "${1:-}" = test ]; then
	command -v python3 >/dev/null 2>&1 || packages="$packages python3"
	command -v curl >/dev/null 2>&1 || packages="$packages curl"
	command -v prlimit >/dev/null 2>&1 || packages="$packages util-linux"
	# Its test does without it, and no network shall be the reason that nothing is tested.
	if ! command -v shellcheck >/dev/null 2>&1 && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
		{ apt-get update -qq && apt-get install -y -qq --no-install-recommends shellcheck >/dev/null; } ||
			echo "shellcheck could not be installed: the scripts of tuning/ are not looked through" >&2
	fi
fi
if [ "${1:-}" = instructions ] && ! command -v valgrind >/dev/null 2>&1; then
	packages="$packages valgrind"
fi
[ -z "$packages" ] && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
	# shellcheck disable=SC2086 # A list of packages.
	apt-get update -qq && apt-get install -y -qq --no-install-recommends $packages >/dev/null
	exit 0
fi
echo "missing: $packages; install them (apt-get install $packages), then try again" >&2
exit 1
