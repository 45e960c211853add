# Paybuf. `make demo` and `make test` are all that a newcomer needs.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

GO ?= go
# The version comes from git if there is one.
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
# The linter has a module file of its own, so that its dependencies are never ours.
LINT := $(GO) tool -modfile=internal/tools/lint.mod golangci-lint
# What `make trial` and `make crash` send: a CSV with order_id, payment_sequential, payment_type
# and payment_value (see CONTRIBUTING.md).
PAYBUF_TRIAL_CSV ?=
# Where `make dev` keeps its data, and what it is told besides.
DATA ?=
ARGS ?=
FUZZTIME ?= 20s
# How many interleavings `make model` plays.
MODEL ?= 20000
# How long `make crash` storms: until each point was died at once, or a time at least.
CRASH ?= short
CRASH_TIME ?= $(if $(filter long,$(CRASH)),30m,0s)
# What `make race` tests.
RACE ?= ./...

##@ Run

.PHONY: demo
demo: build ## See it work: duplicates in, one charge per order out, and a verdict
	@deploy/demo.sh bin/paybuf

.PHONY: dev
dev: build ## Run all of Paybuf on this machine (DATA=dir ARGS='--payer URL')
	bin/paybuf dev $(if $(DATA),--data $(DATA)) $(ARGS)

.PHONY: build
build: setup ## Build bin/paybuf
	@mkdir -p bin
	@test -x bin/paybuf || echo "building bin/paybuf; the first time takes a minute or two"
	@CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o bin/paybuf ./cmd/paybuf

.PHONY: setup
setup: ## Install what is missing: Postgres' server programs
	@deploy/install-postgres.sh --quiet

##@ Test

.PHONY: test
test: setup ## Run all tests
	$(GO) test ./...

.PHONY: race
race: setup ## Run all tests under the race detector
	$(GO) test -race $(RACE)

# Many trials wait for pauses, leases and slow payers most of the time, and do so together.
TOGETHER := -parallel 3

# The reference library that webhooks are verified with besides Go's.
VERIFIER := internal/trial/verify/node_modules/.package-lock.json
$(VERIFIER): internal/trial/verify/package-lock.json
	@deploy/install-node.sh --quiet
	@npm ci --prefix $(<D) --ignore-scripts --no-audit --no-fund --loglevel error

.PHONY: trial
trial: setup $(VERIFIER) ## Send a real file to the real program, with a hostile payer and kill -9
	PAYBUF_TRIAL_CSV=$(PAYBUF_TRIAL_CSV) $(GO) test -tags trial -count=1 -v -timeout 30m $(TOGETHER) ./internal/trial

.PHONY: model
model: setup ## Play MODEL drawn interleavings of the processor, and some against Postgres
	$(GO) test -count=1 -timeout 60m -run '^TestModel_' ./processor -rapid.checks=$(MODEL)
	$(GO) test -count=1 -timeout 60m -run '^TestModel_' ./postgres -rapid.checks=500

.PHONY: crash
crash: setup $(VERIFIER) ## Kill everything everywhere and count the charges (CRASH=long, CRASH_TIME=2h; with a file the trial too)
	$(GO) test -tags 'trial crash' -count=1 ./internal/fault
	PAYBUF_TRIAL_CSV=$(PAYBUF_TRIAL_CSV) $(GO) test -tags 'trial crash' -count=1 -v $(TOGETHER) -timeout $(if $(filter 0s,$(CRASH_TIME)),40m,72h) \
		$(if $(PAYBUF_TRIAL_CSV),,-run TestCrash) ./internal/trial -crash.time $(CRASH_TIME)

.PHONY: crash-mutations
crash-mutations: setup $(VERIFIER) ## Drop each protection, see that it is noticed, and write docs/mutations.md (eleven minutes)
	$(GO) test -tags 'trial crash' -count=1 -v -timeout 2h -run TestCrash_eachDroppedProtectionIsNoticed \
		./internal/trial -crash.mutations $(CURDIR)/docs/mutations.md

.PHONY: fuzz
fuzz: ## Fuzz each decoder of outside bytes for FUZZTIME
	@for target in $$(grep -rlE '^func Fuzz' --include='*_test.go' . | xargs -n1 dirname | sort -u); do \
		for name in $$(grep -hoE '^func Fuzz[A-Za-z0-9_]+' $$target/*_test.go | cut -c6-); do \
			echo "$$target $$name"; $(GO) test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) $$target; \
		done; \
	done

.PHONY: readme
readme: build ## Run the README's commands
	@deploy/check-readme.sh bin/paybuf README.md

##@ Measure

.PHONY: bench
bench: setup ## Measure intake, the way to the outcome and the telling of it, and write docs/benchmarks.md (twenty minutes)
	@cd bench && $(GO) run . -out ../docs

.PHONY: bench-journals
bench-journals: ## Measure the journal beside its peers, damage them, and write docs/journals.md (three minutes)
	@cd bench && $(GO) run ./journals -out ../docs

##@ Keep in order

.PHONY: gen
gen: ## Write generated documents anew
	$(GO) test ./payment -run TestDiagram -update

.PHONY: lint
lint: ## Run the linters
	$(LINT) run ./...

.PHONY: verify
verify: ## Check formatting, vet, lint, module files and generated documents
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$unformatted" || { echo "gofmt: $$unformatted"; exit 1; }
	@! git grep -nE '^(<{7}|>{7}) ' || { echo "a merge was left unfinished"; exit 1; }
	$(GO) vet ./...
	$(GO) vet -tags trial ./internal/trial
	$(GO) vet -tags 'trial crash' ./...
	$(GO) mod tidy -diff
	$(GO) mod verify
	$(MAKE) --no-print-directory lint
	$(GO) test ./payment -run TestDiagram
	$(GO) test ./internal/app -run TestImports

.PHONY: help
help: ## Show this
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
