# Every task of this checkout. `make` alone lists the targets; CI uses the same ones.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
# The program looks for the transcoder in its own folder and in ../lib/tapedeck.
LIBDIR ?= $(dir $(BINDIR))lib/tapedeck
UNITDIR ?= $(PREFIX)/lib/systemd/system
SYSCONFDIR ?= /etc
DESTDIR ?=

SWIFT ?= swift
# One debug build serves the program, its tests and `make demo`. Its C code is optimized: scrypt and SHA-256 are C, and
# without optimization one password hash takes 5 seconds.
SWIFT_FLAGS ?= -Xcc -O2
# Links Swift's libraries statically, so that the program runs on a machine without the toolchain.
SWIFT_RELEASE_FLAGS ?= -c release --static-swift-stdlib

DEBUG_BINARY := .build/debug/tapedeck
RELEASE_BINARY := .build/release/tapedeck
TRANSCODER := tapedeck-transcoder
TEST_PYTHON := .venv/bin/python
VECTORS ?= ../shared/vectors
SHELL_SCRIPTS = $(shell grep -lE '^\#!.*\b(ba)?sh$$' scripts/* bench/* .ci/* 2>/dev/null)

# $(call say-first-build,BINARY): SwiftPM does not say how long a first build takes.
define say-first-build
@test -e $(1) || printf '%s\n' \
  'The first build compiles the dependencies and takes 5 to 20 minutes; later builds take seconds.'
endef

.PHONY: help
help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# --- Try it ---

.PHONY: demo
demo: ## run Tapedeck with a simulated platform and a day of calls (DEMO_ARGS='…' for its flags)
	@scripts/bootstrap --for demo
	@$(MAKE) --no-print-directory build
	@exec $(DEBUG_BINARY) demo $(DEMO_ARGS)

# --- Build ---

.PHONY: build
build: ## debug build with optimized C, which 'make demo' and 'make test' use
	@scripts/bootstrap
	$(call say-first-build,$(DEBUG_BINARY))
	$(SWIFT) build $(SWIFT_FLAGS) --product tapedeck
	$(SWIFT) build $(SWIFT_FLAGS) --product $(TRANSCODER)

.PHONY: release
release: ## release build, which runs without the Swift toolchain
	@scripts/bootstrap
	$(call say-first-build,$(RELEASE_BINARY))
	$(SWIFT) build $(SWIFT_RELEASE_FLAGS) --product tapedeck
	$(SWIFT) build $(SWIFT_RELEASE_FLAGS) --product $(TRANSCODER)

# --- Check ---

export SWIFT SWIFT_FLAGS VECTORS PYTEST_ARGS
.PHONY: test
test: ## build once and run all tests, from unit tests to end-to-end tests (TEST_ARGS=--help)
	@scripts/bootstrap --for test
	$(call say-first-build,$(DEBUG_BINARY))
	@scripts/run-tests $(TEST_ARGS)

.PHONY: screenshots
screenshots: ## take the screenshots in docs/screenshots again, from the demo's data
	@$(MAKE) --no-print-directory build
	@scripts/bootstrap --for test
	UPDATE_SCREENSHOTS=1 $(TEST_PYTHON) -m pytest Tests/EndToEnd/test_browser.py -q -k finds_and_plays

.PHONY: soak
soak: ## long tests, up to 30 minutes each: memory, chaos, faultloop, media, parsers, hostile, clients, openapi, stores (SUITE=…)
	@scripts/bootstrap --for test $(if $(filter all stores,$(or $(SUITE),all)),--for stores)
	@scripts/run-tests --soak $(or $(SUITE),all) $(TEST_ARGS)

.PHONY: conformance
conformance: ## published test vectors from other projects (VECTORS=folder with sigv4.json)
	@test -e '$(VECTORS)/sigv4.json' || { printf '%s\n' \
	  "VECTORS must be a folder with sigv4.json. Its originals are tests/aws-signing-test-suite/v4 in" \
	  "https://github.com/awslabs/aws-c-auth; Tests/ConformanceTests describes the file's format." >&2; exit 1; }
	@scripts/run-tests --only conformance

.PHONY: lint lint-format lint-comments lint-arrows lint-shell lint-python
lint: ## formatting, dependencies between modules, shell and Python
	@scripts/bootstrap --for lint
	@$(MAKE) --no-print-directory --keep-going lint-arrows lint-shell lint-python lint-comments lint-format
lint-arrows:
	scripts/check-arrows --self-test
	scripts/check-arrows
lint-shell:
	shellcheck $(SHELL_SCRIPTS)
lint-python:
	scripts/check-python
lint-comments: # swift-format does not see the length of comments; rows of tables cannot be broken
	! LC_ALL=C.UTF-8 grep -rnP --include='*.swift' '^(?!\s*/+ \|)(?=\s*(//|--)).{121,}' Sources Tests bench Package.swift
lint-format:
	$(SWIFT) format lint --strict --parallel -r Sources Tests bench Package.swift

.PHONY: format
format: ## format the Swift sources in place
	$(SWIFT) format --in-place --parallel -r Sources Tests bench Package.swift

.PHONY: bench
bench: ## compare Tapedeck with curl, FFmpeg and nginx on this machine (BENCH_ARGS=--quick: one short run)
	@scripts/bootstrap --for bench
	@$(MAKE) --no-print-directory release
	$(SWIFT) build $(SWIFT_RELEASE_FLAGS) --product BareHandler
	bench/run --binary $(RELEASE_BINARY) $(BENCH_ARGS)

.PHONY: bench-catalog
bench-catalog: ## lists, searches and the queue with a million recordings, on both databases (BENCH_ARGS=--rows=…)
	@scripts/bootstrap --for bench
	$(SWIFT) build -c release --product CatalogBench
	.build/release/CatalogBench $(BENCH_ARGS)

.PHONY: bench-nodes
bench-nodes: ## compare three workers with one, on PostgreSQL and S3
	@scripts/bootstrap --for test
	@$(MAKE) --no-print-directory release
	$(TEST_PYTHON) bench/nodes --binary $(RELEASE_BINARY) $(BENCH_ARGS)

# --- Install ---

.PHONY: install
install: ## install the release build under PREFIX (/usr/local), with a systemd unit
	@test -e $(RELEASE_BINARY) || { echo "There is no release build yet: run 'make release' first." >&2; exit 1; }
	install -D -s -m 755 $(RELEASE_BINARY) '$(DESTDIR)$(BINDIR)/tapedeck'
	install -D -s -m 755 $(dir $(RELEASE_BINARY))$(TRANSCODER) '$(DESTDIR)$(LIBDIR)/$(TRANSCODER)'
	install -d '$(DESTDIR)$(UNITDIR)'
	sed 's|/usr/local/bin/tapedeck|$(BINDIR)/tapedeck|g; s|/etc/tapedeck/|$(SYSCONFDIR)/tapedeck/|g' \
	  packaging/tapedeck.service >'$(DESTDIR)$(UNITDIR)/tapedeck.service'
	chmod 644 '$(DESTDIR)$(UNITDIR)/tapedeck.service'
	install -D -m 644 packaging/tapedeck.env.example '$(DESTDIR)$(SYSCONFDIR)/tapedeck/tapedeck.env.example'
	@# Commands read .env in the current folder: in this folder they get the settings of the service.
	ln -sfn tapedeck.env '$(DESTDIR)$(SYSCONFDIR)/tapedeck/.env'
	@if [ -e '$(DESTDIR)$(SYSCONFDIR)/tapedeck/tapedeck.env' ]; then printf '%s\n' '' \
	  'Settings and recordings are unchanged. To run the new program, as root:' \
	  '  systemctl daemon-reload && systemctl restart tapedeck'; \
	else printf '%s\n' '' \
	  'Tapedeck needs at run time: apt-get install libavformat59 libsqlite3-0 libpq5 libstdc++6' \
	  'The documented backup also needs sqlite3.' \
	  'Next, as root:' \
	  '  useradd --system --home-dir /var/lib/tapedeck --shell /usr/sbin/nologin tapedeck' \
	  '  install -d -o tapedeck -g tapedeck -m 700 /var/lib/tapedeck' \
	  '  cd $(SYSCONFDIR)/tapedeck && install -m 640 -g tapedeck tapedeck.env.example tapedeck.env' \
	  '  # write the address and the credentials of your tenant into tapedeck.env, then, still in that folder:' \
	  '  runuser -u tapedeck -- $(BINDIR)/tapedeck doctor' \
	  '  runuser -u tapedeck -- $(BINDIR)/tapedeck user add NAME --role admin' \
	  '  systemctl daemon-reload && systemctl enable --now tapedeck'; \
	fi

.PHONY: uninstall
uninstall: ## remove the installed files; settings and recordings stay
	rm -f '$(DESTDIR)$(LIBDIR)/$(TRANSCODER)'
	rmdir '$(DESTDIR)$(LIBDIR)' 2>/dev/null || true
	rm -f '$(DESTDIR)$(BINDIR)/tapedeck' '$(DESTDIR)$(UNITDIR)/tapedeck.service' \
	  '$(DESTDIR)$(SYSCONFDIR)/tapedeck/tapedeck.env.example' '$(DESTDIR)$(SYSCONFDIR)/tapedeck/.env'
	@echo 'Not removed: $(SYSCONFDIR)/tapedeck/tapedeck.env and /var/lib/tapedeck.'

.PHONY: clean
clean: ## remove build results and the Python environment of the tests; data directories stay
	$(SWIFT) package clean
	rm -rf .venv bench/latest.json
	find scripts bench Tests -name __pycache__ -type d -prune -exec rm -rf {} +
