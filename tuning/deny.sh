#!/bin/sh
# Holds the dependencies against deny.toml, with the advisories of tuning/advisories, so no database has to be in reach:
#   tuning/deny.sh check              what `make deny` runs
#   tuning/deny.sh renew [DATABASE]   renews tuning/advisories from a clone of the RustSec database, or makes one first
# Why it is done this way: docs/decisions/0014-dependencies-are-checked-offline.md.
set -eu
cd "$(dirname "$0")/.."
version=0.20.2
url=https://github.com/RustSec/advisory-db
# cargo-deny gives the database of this URL this name.
database_name='advisory-db-3157b0e258782691'
copy=tuning/advisories
target=${CARGO_TARGET_DIR:-target}

packages() {
	awk -F '"' '/^name = / { print $2 }' Cargo.lock | sort -u
}

# Facts only: who, since when, which versions; the text of an advisory stays where its URL points.
reduced() {
	awk '
		/^```/ { if (inside) exit; inside = 1; next }
		!inside { next }
		/^\[/ { section = $0; open = 0; wanted = section == "[advisory]" || section == "[versions]" }
		!wanted { next }
		/^\[/ { line(section); next }
		open || /^(id|package|date|url|informational|withdrawn|patched|unaffected) *=/ {
			line($0)
			open = (/\[/ || open) && !/\][ \t]*$/
			if (/^id *=/) { split($0, part, "\""); id = part[2] }
			if (/^package *=/) { split($0, part, "\""); package = part[2] }
		}
		function line(text) { body = body text "\n" }
		END { printf "```toml\n%s```\n\n# %s, %s\n", body, id, package }
	' "$1"
}

renew() {
	database=${1:-}
	work=$(mktemp -d)
	trap 'rm -rf "$work"' EXIT
	if [ -z "$database" ]; then
		database=$work/clone
		git clone --quiet --depth 1 "$url" "$database"
	fi
	git -C "$database" archive HEAD crates | tar -x -C "$work"
	rm -rf "$copy"
	mkdir "$copy"
	for package in $(packages); do
		for advisory in "$work/crates/$package"/*.md; do
			[ -e "$advisory" ] || continue
			mkdir -p "$copy/$package"
			reduced "$advisory" >"$copy/$package/$(basename "$advisory")"
		done
	done
	{
		echo "# Made by \`make advisories\` from the RustSec database, commit $(git -C "$database" rev-parse HEAD)"
		echo "# of $(git -C "$database" show -s --format=%cs HEAD). These packages were looked up; those with advisories have a folder here."
		packages
	} >"$copy/examined"
}

# The tool of this version, wherever it is; built without optimization, which takes a third of the time.
tool() {
	if [ "$(cargo-deny --version 2>/dev/null)" = "cargo-deny $version" ]; then
		echo cargo-deny
		return
	fi
	tools=$target/tools
	if [ ! -x "$tools/bin/cargo-deny" ]; then
		cargo install --quiet --locked --debug --config profile.dev.debug=0 --root "$tools" "cargo-deny@$version" >&2 || return
	fi
	echo "$tools/bin/cargo-deny"
}

check() {
	unknown=$(packages | grep -vxF -f "$copy/examined" | tr '\n' ' ' || true)
	if [ -n "$unknown" ]; then
		echo "not looked up in the advisories yet: ${unknown% }; run make advisories (DATABASE=a clone of $url)" >&2
		exit 1
	fi
	if ! tool=$(tool); then
		echo "cargo-deny $version could not be installed: the dependencies are not checked against deny.toml" >&2
		exit 0
	fi
	databases=$target/advisory-dbs
	rm -rf "$databases"
	mkdir -p "$databases/$database_name/.git"
	cp -R "$copy" "$databases/$database_name/crates"
	# It wants to know when the database was fetched, and looks at this file.
	: >"$databases/$database_name/.git/FETCH_HEAD"
	databases=$(cd "$databases" && pwd)
	# Sources that the build did not need yet; without a network those that are there have to do.
	cargo fetch --quiet --locked --target x86_64-unknown-linux-gnu || true
	CORECAST_ADVISORIES=$databases "$tool" --locked --offline check
}

case ${1:-} in
check) check ;;
renew) renew "${2:-}" ;;
*)
	echo "usage: tuning/deny.sh check | renew [DATABASE]" >&2
	exit 2
	;;
esac
