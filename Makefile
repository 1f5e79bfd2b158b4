# Keypin. `make run` serves it, `make test` proves it, `make` lists the rest.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

GO ?= go
TOOLS := $(CURDIR)/.tools/bin

.PHONY: help
help: ## List what can be asked for
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / {printf "  make %-13s %s\n", $$1, $$2}' Makefile

.PHONY: build
build: ## Build bin/keypin; its version is git's
	@echo "building bin/keypin (a minute or two the first time)" >&2
	@CGO_ENABLED=0 $(GO) build -trimpath -o bin/keypin ./cmd/keypin

.PHONY: run
run: build ## Build, serve on 127.0.0.1:8080 and say what to do next
	@./scripts/run.sh

.PHONY: test
test: ## Install what is missing and run every check and test
	@./scripts/test.sh

.PHONY: lint
lint: $(TOOLS)/golangci-lint ## Look for bugs and broken house rules
	@$(TOOLS)/golangci-lint run ./...

.PHONY: generate
generate: $(TOOLS)/sqlc ## Write the generated code and api/openapi.json anew
	@$(TOOLS)/sqlc generate
	@$(GO) generate ./...

.PHONY: bench
bench: ## Measure, and write the table in docs/benchmarks.md (5 minutes)
	@$(GO) run ./test/bench

.PHONY: bench-verify
bench-verify: ## Measure verification beside a bare handler and another product (7 minutes)
	@./scripts/install-bench.sh
	@$(GO) run ./test/benchverify

.PHONY: bench-memory
bench-memory: ## Measure memory with a million keys, starts with ten million (10 minutes)
	@$(GO) run ./test/benchmemory

.PHONY: bench-cluster
bench-cluster: ## Measure three nodes, and ten million keys on PostgreSQL (20 minutes)
	@./scripts/install.sh >&2
	@$(GO) run ./test/benchcluster
	@$(GO) run ./test/benchpostgres

.PHONY: bench-cli
bench-cli: ## Measure how soon the command is there, beside the program true (30 seconds)
	@$(GO) run ./test/benchcli

.PHONY: bench-docs
bench-docs: ## Measure the documentation's site beside a file server, and its start (2 minutes)
	@$(GO) run ./test/benchdocs

.PHONY: lighthouse
lighthouse: ## Let Lighthouse judge three pages of the documentation
	@./scripts/install.sh >&2
	@./scripts/install-bench.sh >&2
	@$(GO) run ./test/lighthouse

.PHONY: bench-sdk
bench-sdk: build ## Measure the Python SDK beside bare httpx and onepin (2 minutes)
	@./scripts/install.sh >&2
	@.tools/sdk/bin/python sdk/python/bench/bench.py

.PHONY: cluster
cluster: build ## Run three nodes with PostgreSQL, Redis and nginx on this machine
	@./scripts/install.sh >&2
	@$(GO) run ./test/cluster

.PHONY: chaos
chaos: build ## Break things around three nodes for 5 minutes and judge every answer (SEED=…, MODE=…)
	@./scripts/install.sh >&2
	@$(GO) run ./test/chaos $(if $(SEED),-seed $(SEED)) $(if $(MODE),-mode $(MODE))

.PHONY: screenshots
screenshots: ## Take pictures of the documentation's pages into screenshots/, to look at
	@./scripts/install.sh >&2
	@$(GO) run ./test/screenshots

.PHONY: fuzz
fuzz: ## Run each fuzz target for FUZZTIME (10s)
	@./scripts/fuzz.sh

.PHONY: clean
clean: ## Remove what was built; data/ and installed tools stay
	@rm -rf bin

.PHONY: tools
tools: $(TOOLS)/golangci-lint $(TOOLS)/sqlc ## Build the tools into .tools/

# The tools' own module pins their versions; they are built when it changes.
$(TOOLS)/golangci-lint: tools/go.mod tools/go.sum
	@echo "building golangci-lint (about a minute, once)"
	@cd tools && $(GO) build -o $@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint && touch $@

$(TOOLS)/sqlc: tools/go.mod tools/go.sum
	@echo "building sqlc (about a minute, once)"
	@cd tools && $(GO) build -o $@ github.com/sqlc-dev/sqlc/cmd/sqlc && touch $@
