# `make` lists the targets. Everything a target needs it sets up by itself; the only thing expected is the Rust toolchain
# (and, for the live tests, Python 3, Node and Go, which are installed as packages when they are missing).

CARGO ?= cargo
CONFIG ?= examples/dev.json

.DEFAULT_GOAL := help
.PHONY: help run check test lint fmt sim mutations live compat compat-full soak overload bench bench-instructions tune-check fuzz \
	fuzz-corpora proto docs options doc deny advisories clean

help: ## lists the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 20

run: ## builds and starts the server on 127.0.0.1:8000 with examples/dev.json
	@tuning/toolchain.sh
	$(CARGO) build --release --quiet
	@tuning/hello.sh $(CONFIG)
	@exec $${CARGO_TARGET_DIR:-target}/release/corecast --config $(CONFIG)

check: ## formatting, lints, architecture, unit tests and dependencies: the quick part of `test`
	@tuning/toolchain.sh
	$(CARGO) fmt --all --check
	$(CARGO) clippy --all-targets --quiet --features bench,mutations -- -D warnings
	$(CARGO) test --quiet --lib --test architecture
	@$(MAKE) --no-print-directory deny

test: check ## everything: units, transcripts, simulation, the real binary, conformance suites, official clients with one core and with two
	@tuning/toolchain.sh test
	$(CARGO) test --quiet --tests --features bench
	$(MAKE) --no-print-directory sim
	$(CARGO) build --release --quiet
	tests/compat/run.sh quick
	tests/live/run.sh

lint: ## clippy alone
	$(CARGO) clippy --all-targets -- -D warnings

fmt: ## formats the code
	$(CARGO) fmt --all

# Built like the other tests, so their dependencies serve, but for optimization: a fifth of the time per seed for a build
# of less than a minute.
sim: ## the simulation with many seeds on 1, 2 and 5 cores each: make sim SEEDS=100000 for a night
	CORECAST_SIM_SEEDS=$(or $(SEEDS),3500) $(CARGO) --config profile.dev.opt-level=1 test --quiet --test simulation -- --nocapture

# The faults are compiled in here and nowhere else, so this is a build of its own.
mutations: ## whether the simulation notices each of its deliberate faults: make mutations UPDATE=1 writes docs/mutations.md
	$(if $(UPDATE),UPDATE=1) $(CARGO) --config profile.dev.opt-level=1 test --quiet --features mutations --test simulation mutations -- --nocapture

live: ## the official clients against the real binary
	$(CARGO) build --release --quiet
	tests/live/run.sh

compat: ## conformance suites of others (Autobahn, h2spec) and our HTTP/1.1 framing probes, with one core and with two
	$(CARGO) build --release --quiet
	tests/compat/run.sh

compat-full: ## the same with all cases of permessage-deflate: half an hour more
	$(CARGO) build --release --quiet
	tests/compat/run.sh full

soak: ## 20 minutes of clients that come, go, stall and die: make soak SECONDS=1200 CONNECTIONS=5000
	$(CARGO) build --release --quiet
	python3 tests/soak/soak.py $${CARGO_TARGET_DIR:-target}/release/corecast $(or $(SECONDS),1200) $(or $(CONNECTIONS),5000)

overload: ## twice as much as one core can do, for 20 seconds: it goes on at its capacity, and is itself again afterwards
	$(CARGO) build --release --quiet
	python3 tests/soak/overload.py $${CARGO_TARGET_DIR:-target}/release/corecast $(or $(SECONDS),20)

# PEER measures another server of the protocol in turn with ours: make bench PEER="centrifugo --config bench/config.json"
bench: ## CPU per message and latency against the floor, in one run: make bench QUICK=1 for a short one
	$(CARGO) build --release --quiet --features bench
	$${CARGO_TARGET_DIR:-target}/release/bench $(if $(QUICK),--quick) --results bench/results $(if $(PEER),--peer "$(PEER)" \
		--peer-url $(or $(PEER_URL),127.0.0.1:18000) --peer-grpc $(or $(PEER_GRPC),127.0.0.1:18001)) $(ARGS)

bench-instructions: ## instructions per delivery, request, … against the record: make bench-instructions UPDATE=1 renews it
	@tuning/toolchain.sh instructions
	$(CARGO) build --release --quiet --features bench --bin instructions
	@$${CARGO_TARGET_DIR:-target}/release/instructions $(if $(UPDATE),--update) $(ARGS)

tune-check: ## what on this host stands in the way, by tuning/check; fails when something does (tuning/apply changes it)
	@tuning/check $(ARGS)

deny: ## advisories, licences, duplicates and sources of the dependencies, by deny.toml (installs cargo-deny below target)
	@tuning/deny.sh check

advisories: ## renews tuning/advisories: make advisories DATABASE=clone of the RustSec database (without one it is cloned)
	@tuning/deny.sh renew $(DATABASE)

# What fuzzing finds interesting gathers in fuzz/corpus; the committed inputs in fuzz/corpora and fuzz/regressions are read
# as well, and by `make test`. TARGETS names some targets instead of all.
fuzz: ## each parser for 60 seconds (installs cargo-fuzz): make fuzz SECONDS=600 TARGETS="http1 sessions"
	@command -v cargo-fuzz >/dev/null 2>&1 || $(CARGO) install --quiet cargo-fuzz
	@export RUSTC_BOOTSTRAP=1; $(CARGO) fuzz build && for target in $(or $(TARGETS),$$($(CARGO) fuzz list)); do \
		mkdir -p fuzz/corpus/$$target fuzz/regressions/$$target; echo "== $$target"; \
		$(CARGO) fuzz run $$target fuzz/corpus/$$target fuzz/corpora/$$target fuzz/regressions/$$target -- \
			-max_total_time=$(or $(SECONDS),60) -max_len=4096 -timeout=10 -print_final_stats=1 -verbosity=0 || exit 1; \
	done

# The committed corpora stay small: of what fuzzing has gathered, at most 48 short inputs that together reach much.
fuzz-corpora: ## takes what fuzzing has found over into fuzz/corpora
	@export RUSTC_BOOTSTRAP=1; for target in $(or $(TARGETS),$$($(CARGO) fuzz list)); do \
		rm -rf fuzz/corpus/.new && mkdir -p fuzz/corpus/.new fuzz/corpus/$$target; \
		$(CARGO) fuzz run $$target fuzz/corpus/.new fuzz/corpora/$$target fuzz/corpus/$$target -- \
			-set_cover_merge=1 -max_len=256 -verbosity=0 || exit 1; \
		ls fuzz/corpus/.new | head -n 48 | while read -r name; do cp fuzz/corpus/.new/$$name fuzz/corpora/$$target/; done; \
	done

proto: ## generates src/proto from proto/
	UPDATE=1 $(CARGO) test --quiet --test proto_fresh

docs: options ## generates docs/options.md and docs/compatibility.md
	UPDATE=1 $(CARGO) test --quiet --test compatibility --test mesh_table

options: ## generates docs/options.md from the option table
	UPDATE=1 $(CARGO) test --quiet --test options_table

doc: ## the documentation of the code
	$(CARGO) doc --no-deps --document-private-items

clean: ## removes what was built and installed
	rm -rf target tests/live/.venv tests/live/node_modules
