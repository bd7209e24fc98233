# Everything one does with this checkout. `make` alone lists the targets; CI uses the same ones.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
# The program looks for its launcher of FFmpeg beside itself and in ../lib/tapedeck.
LIBDIR ?= $(dir $(BINDIR))lib/tapedeck
UNITDIR ?= $(PREFIX)/lib/systemd/system
SYSCONFDIR ?= /etc
DESTDIR ?=

SWIFT ?= swift
# Swift's own libraries go into the binary, so that it runs on a machine without the toolchain.
SWIFT_RELEASE_FLAGS ?= -c release --static-swift-stdlib

DEBUG_BINARY := .build/debug/tapedeck
RELEASE_BINARY := .build/release/tapedeck
LAUNCHER := libtapedeck-ffmpeg-launcher.so
TEST_ROOMS := $(filter-out TestKit EndToEnd ConformanceTests,$(notdir $(wildcard Tests/*)))
PYTHON_OF_TESTS := .venv/bin/python
VECTORS ?= ../shared/vectors
SHELL_SCRIPTS = $(shell grep -lE '^\#!.*\b(ba)?sh$$' scripts/* bench/* .ci/* 2>/dev/null)

# $(call say-first-build,BINARY): a first build is silent about how long it takes, so somebody has to say it.
define say-first-build
@test -e $(1) || printf '%s\n' \
  'The first build compiles the dependencies and takes 5 to 20 minutes; later ones take seconds.'
endef

.PHONY: help
help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# --- Try it ---

.PHONY: demo
demo: ## run Tapedeck with a simulated platform and a day of calls (DEMO_ARGS='…' for its flags)
	@scripts/bootstrap --for demo
	@$(MAKE) --no-print-directory release
	@exec $(RELEASE_BINARY) demo $(DEMO_ARGS)

# --- Build ---

.PHONY: build
build: ## debug build
	@scripts/bootstrap
	$(call say-first-build,$(DEBUG_BINARY))
	$(SWIFT) build

.PHONY: release
release: ## release build, which runs without the Swift toolchain
	@scripts/bootstrap
	$(call say-first-build,$(RELEASE_BINARY))
	$(SWIFT) build $(SWIFT_RELEASE_FLAGS) --product tapedeck
	$(SWIFT) build $(SWIFT_RELEASE_FLAGS) --product tapedeck-ffmpeg-launcher

# --- Check ---

.PHONY: test
test: ## every test: units, contracts, and the built program from an empty folder to sound
	@scripts/bootstrap --for test
	$(call say-first-build,$(DEBUG_BINARY))
	$(SWIFT) build --build-tests
	@# One room after the other, and some tests of it at a time: all at once they would open hundreds of databases and run
	@# as many FFmpegs, and those with time limits would wait too long.
	@# What fails does not keep the rest from being run, and is said once more at the end.
	@export SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH=6; \
	failed=; output=$$(mktemp); trap 'rm -f "$$output"' EXIT; \
	for room in $(TEST_ROOMS); do \
	  echo "--- $$room"; \
	  $(SWIFT) test --skip-build --filter "^$$room\." 2>&1 | tee -a "$$output" || failed+=" $$room"; \
	done; \
	echo '--- EndToEnd'; \
	TAPEDECK_BINARY="$${TAPEDECK_BINARY:-$(CURDIR)/$(DEBUG_BINARY)}" \
	  $(PYTHON_OF_TESTS) -m pytest Tests/EndToEnd -m 'not memory' $(PYTEST_ARGS) || failed+=' EndToEnd'; \
	[ -z "$$failed" ] || { \
	  grep -aE '^✘ Test |Fatal error|unexpected signal' "$$output" >&2 || true; \
	  echo "make test: these failed:$$failed" >&2; exit 1; }

.PHONY: conformance
conformance: ## published test vectors that are no part of this project (VECTORS=folder with sigv4.json)
	@test -e '$(VECTORS)/sigv4.json' || { printf '%s\n' \
	  "VECTORS must be a folder with sigv4.json. Its originals are tests/aws-signing-test-suite/v4 in" \
	  "https://github.com/awslabs/aws-c-auth; Tests/ConformanceTests says how the file holds them." >&2; exit 1; }
	$(SWIFT) build --build-tests
	VECTORS='$(abspath $(VECTORS))' $(SWIFT) test --skip-build --filter '^ConformanceTests\.'

.PHONY: memory
memory: ## peak memory of the release build on a 1 GB recording and on 64 at once
	@scripts/bootstrap --for test
	@$(MAKE) --no-print-directory release
	TAPEDECK_BINARY="$${TAPEDECK_BINARY:-$(CURDIR)/$(RELEASE_BINARY)}" \
	  $(PYTHON_OF_TESTS) -m pytest Tests/EndToEnd -m memory $(PYTEST_ARGS)

.PHONY: chaos
chaos: ## kill workers at random moments while 1,000 recordings flow, on SQLite and files and on PostgreSQL and S3
	@scripts/bootstrap --for test
	@$(MAKE) --no-print-directory release
	TAPEDECK_CHAOS_COUNT="$${TAPEDECK_CHAOS_COUNT:-1000}" \
	TAPEDECK_BINARY="$${TAPEDECK_BINARY:-$(CURDIR)/$(RELEASE_BINARY)}" \
	  $(PYTHON_OF_TESTS) -m pytest -s Tests/EndToEnd/test_chaos.py $(PYTEST_ARGS)

.PHONY: lint lint-format lint-arrows lint-shell lint-python
lint: ## formatting, the arrows of the floor plan, shell and Python
	@scripts/bootstrap --for lint
	@$(MAKE) --no-print-directory --keep-going lint-arrows lint-shell lint-python lint-format
lint-arrows:
	scripts/check-arrows --self-test
	scripts/check-arrows
lint-shell:
	shellcheck $(SHELL_SCRIPTS)
lint-python:
	scripts/check-python
lint-format:
	$(SWIFT) format lint --strict --parallel -r Sources Tests bench Package.swift

.PHONY: format
format: ## format the Swift sources in place
	$(SWIFT) format --in-place --parallel -r Sources Tests bench Package.swift

.PHONY: bench
bench: ## compare with curl, FFmpeg and nginx on this machine (BENCH_ARGS=--quick: one short run)
	@scripts/bootstrap --for bench
	@$(MAKE) --no-print-directory release
	bench/run --binary $(RELEASE_BINARY) $(BENCH_ARGS)

.PHONY: bench-catalog
bench-catalog: ## lists, searches and the queue with a million recordings, on both databases (BENCH_ARGS=--rows=…)
	@scripts/bootstrap --for bench
	$(SWIFT) build -c release --product CatalogBench
	.build/release/CatalogBench $(BENCH_ARGS)

.PHONY: bench-nodes
bench-nodes: ## three workers against one, on PostgreSQL and S3
	@scripts/bootstrap --for test
	@$(MAKE) --no-print-directory release
	$(PYTHON_OF_TESTS) bench/nodes --binary $(RELEASE_BINARY) $(BENCH_ARGS)

# --- Install ---

.PHONY: install
install: ## install what 'make release' built under PREFIX (/usr/local), with a systemd unit
	@test -e $(RELEASE_BINARY) || { echo "There is no release build yet: run 'make release' first." >&2; exit 1; }
	install -D -s -m 755 $(RELEASE_BINARY) '$(DESTDIR)$(BINDIR)/tapedeck'
	install -d '$(DESTDIR)$(LIBDIR)'
	install -s -m 644 $(dir $(RELEASE_BINARY))$(LAUNCHER) '$(DESTDIR)$(LIBDIR)/$(LAUNCHER)'
	install -d '$(DESTDIR)$(UNITDIR)'
	sed 's|/usr/local/bin/tapedeck|$(BINDIR)/tapedeck|g; s|/etc/tapedeck/|$(SYSCONFDIR)/tapedeck/|g' \
	  packaging/tapedeck.service >'$(DESTDIR)$(UNITDIR)/tapedeck.service'
	chmod 644 '$(DESTDIR)$(UNITDIR)/tapedeck.service'
	install -D -m 644 packaging/tapedeck.env.example '$(DESTDIR)$(SYSCONFDIR)/tapedeck/tapedeck.env.example'
	@# Commands read the settings of the folder that they are started in; there, the service's.
	ln -sfn tapedeck.env '$(DESTDIR)$(SYSCONFDIR)/tapedeck/.env'
	@if [ -e '$(DESTDIR)$(SYSCONFDIR)/tapedeck/tapedeck.env' ]; then printf '%s\n' '' \
	  'Settings and recordings are as they were. To run the new program, as root:' \
	  '  systemctl daemon-reload && systemctl restart tapedeck'; \
	else printf '%s\n' '' \
	  'Tapedeck needs at run time: apt-get install ffmpeg util-linux libsqlite3-0 libpq5 libstdc++6' \
	  'Next, as root:' \
	  '  useradd --system --home-dir /var/lib/tapedeck --shell /usr/sbin/nologin tapedeck' \
	  '  cd $(SYSCONFDIR)/tapedeck && install -m 640 -g tapedeck tapedeck.env.example tapedeck.env' \
	  '  # write the address and the credentials of your tenant into tapedeck.env, then, still in that folder:' \
	  '  systemctl daemon-reload && systemctl enable --now tapedeck' \
	  '  runuser -u tapedeck -- $(BINDIR)/tapedeck doctor' \
	  '  runuser -u tapedeck -- $(BINDIR)/tapedeck user add NAME --role admin'; \
	fi

.PHONY: uninstall
uninstall: ## remove what 'make install' installed; settings and recordings stay
	rm -f '$(DESTDIR)$(LIBDIR)/$(LAUNCHER)'
	rmdir '$(DESTDIR)$(LIBDIR)' 2>/dev/null || true
	rm -f '$(DESTDIR)$(BINDIR)/tapedeck' '$(DESTDIR)$(UNITDIR)/tapedeck.service' \
	  '$(DESTDIR)$(SYSCONFDIR)/tapedeck/tapedeck.env.example' '$(DESTDIR)$(SYSCONFDIR)/tapedeck/.env'
	@echo 'Left as they are: $(SYSCONFDIR)/tapedeck/tapedeck.env and /var/lib/tapedeck.'

.PHONY: clean
clean: ## remove what was built and the tests' Python environment; never a data directory
	$(SWIFT) package clean
	rm -rf .venv bench/latest.json
	find scripts bench Tests -name __pycache__ -type d -prune -exec rm -rf {} +
