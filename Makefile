# The words of this project; `make` alone prints them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help run check test bench soak
CARGO ?= cargo
PROFILE ?= dev
BIN = $(or $(CARGO_TARGET_DIR),target)/$(if $(filter dev,$(PROFILE)),debug,$(PROFILE))/kentongan

help: ## print these words
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 8

run: ## build and start the daemon here, on a starter configuration where there is none (PROFILE=release for the tuned build)
	$(CARGO) build --locked --profile $(PROFILE) -p kentongan
	@[ -e kentongan.toml ] || $(BIN) init --yes
	@echo
	@echo "    the board: http://127.0.0.1:8640/    configuration: ./kentongan.toml    journal: ./data/    stop: Ctrl-C"
	@echo
	@exec $(BIN) --config kentongan.toml run

check: ## what must hold of every line: formatting, lints, licences
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	@if $(CARGO) deny --version >/dev/null 2>&1; then $(CARGO) deny --offline check licenses bans sources; else echo "cargo-deny is not installed: licences, bans and sources are not checked"; fi

test: ## install the real servers that the tests talk to (says what, asks for root), then run every test
	tests/peers/install.sh
	CARGO="$(CARGO)" tests/run.sh all

bench: ## measure: throughput of the core and of the journal, start-up, memory, latency
	CARGO="$(CARGO)" tests/run.sh bench

soak: ## the long counts: every failure of every topology, fifty cycles of kills, two hundred incidents on each desk
	tests/peers/install.sh
	CARGO="$(CARGO)" tests/run.sh soak
