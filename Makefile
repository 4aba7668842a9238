# Two commands do everything on a fresh Debian machine with Rust: `make run` and `make test`.
SHELL := /bin/bash
.DEFAULT_GOAL := help
export CARGO_TERM_COLOR ?= auto

.PHONY: help setup run build test lint unit doc-test bench torture fuzz

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 18

setup: ## installs what the machine lacks (Debian packages, cargo-nextest)
	@scripts/setup

build: ## the release binary, target/release/nhatky
	cargo build --release --locked -p nhatky

run: setup build ## builds and starts the demo
	target/release/nhatky demo

test: setup lint unit doc-test ## everything that must hold

lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --all-features --locked -- -D warnings
	dashboards/check

unit:
	cargo nextest run --workspace --locked

doc-test:
	cargo test --workspace --doc --locked

bench: build ## the table of figures, from the release binary
	cargo run --release --locked -p benches -- $(BENCH)

torture: ## 100,000 seeds of the simulated disk
	NHATKY_SEEDS=100000 cargo nextest run --profile torture -p journal --release --locked

fuzz: ## each decoder and parser against libFuzzer, FUZZ_SECONDS (60) each
	scripts/fuzz
