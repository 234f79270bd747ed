# make demo   bob's story on a real Vault, from beginning to end
# make test   everything that the project claims, with the race detector
# The other targets are listed by `make help`.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

BIN := build/bin
TOOLS := build/tools
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
# Static, without paths of the machine that built them.
GO_BUILD := CGO_ENABLED=0 go build -trimpath

# A clone that belongs to somebody else is none that git describes, and nothing here reads what go would stamp.
export GOFLAGS := $(strip $(filter-out -buildvcs=%,$(shell go env GOFLAGS)) -buildvcs=false)
# Unix sockets have short paths, of at most 107 bytes (unix(7)), and what Wazuh hands over has no spaces in it.
ifneq ($(shell [[ $${TMPDIR-} != *[[:space:]]* && $${TMPDIR-} != ????????????????????????????????* ]] || echo unfit),)
export TMPDIR := /tmp
endif
# Where there is no home, go and its tools know no place for their caches.
ifndef HOME
export HOME := $(CURDIR)/build/home
endif

MODE ?= seal
KEEP ?= 0

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## the three binaries that are installed, in build/bin
	@mkdir -p $(BIN)
	$(GO_BUILD) -ldflags '-s -w -X main.version=$(VERSION)' -o $(BIN)/ ./cmd/enrich ./cmd/vault-seal ./integrations/custom-vault

# Vault takes about a minute to build, so it is built once, as a binary of its own, and never with -race.
$(BIN)/vaultserver: $(shell find lab/vaultserver -type f 2>/dev/null)
	@mkdir -p $(BIN)
	@echo "building a real Vault for the lab (about a minute, once)"
	cd lab/vaultserver && $(GO_BUILD) -ldflags '-s -w' -o ../../$(BIN)/vaultserver .

.PHONY: vaultserver
vaultserver: $(BIN)/vaultserver ## the lab's Vault, in build/bin

.PHONY: demo
demo: ## bob's story; MODE=observe arms nothing, KEEP=1 leaves everything running
	@echo "building the integration (about a minute with empty caches)"
	@$(MAKE) --no-print-directory build vaultserver
	@cd lab && $(GO_BUILD) -o ../$(BIN)/demo ./cmd/demo
	@$(BIN)/demo -mode $(MODE) $(if $(filter-out 0,$(KEEP)),-keep)

# The race detector watches all code but C that a machine has translated into Go (PCRE2, SQLite, libc): it has no
# goroutines of its own, and is up to 25 times slower when it is watched.
RACE := -race $(foreach c,go.elara.ws/pcre/lib modernc.org/libc/... modernc.org/sqlite/lib,-gcflags=$(c)=-race=false)

.PHONY: test
test: build vaultserver ## all tests, race detector on
	go vet ./...
	go test $(RACE) -timeout 60m ./...
	cd lab && go vet ./... && go test $(RACE) -timeout 60m -count=1 ./...  # -count=1: what they read outside the module is not in the cache's key

.PHONY: torture
torture: build vaultserver ## nothing lost, nothing twice: 10 minutes of kills; [SEED=] [MINUTES=] [BREAK=dedupe|bookmark|torn]
	@cd lab && $(GO_BUILD) -o ../$(BIN)/torture ./cmd/torture
	@$(BIN)/torture $(if $(SEED),-seed $(SEED)) $(if $(MINUTES),-minutes $(MINUTES)) $(if $(BREAK),-break $(BREAK))

.PHONY: oracle
oracle: ## hold the lab to recordings of real daemons: CASES=DIR [MUTATE=SEED]
	@test -n "$(CASES)" || { echo 'usage: make oracle CASES=DIR [MUTATE=SEED]' >&2; exit 2; }
	@cd lab && $(GO_BUILD) -o ../$(BIN)/oracle ./cmd/oracle
	@$(BIN)/oracle -cases "$(CASES)" $(if $(MUTATE),-mutate $(MUTATE))

.PHONY: oracle-identity
oracle-identity: ## hold identities to recorded audit logs: CASES=DIR [SHUFFLE=1]
	@test -n "$(CASES)" || { echo 'usage: make oracle-identity CASES=DIR [SHUFFLE=1]' >&2; exit 2; }
	@mkdir -p $(BIN)
	@$(GO_BUILD) -o $(BIN)/oracle-identity ./internal/vaultlookup/oracle
	@$(BIN)/oracle-identity -cases "$(CASES)" $(if $(SHUFFLE),-shuffle)

.PHONY: soak
soak: build vaultserver ## ten minutes of an idle daemon that hears of its own lookups, then an intruder with its token
	cd lab && go test -run TestOwnLookupsLeadToNoLookups -timeout 20m -v ./e2e -soak 10m

.PHONY: bench
bench: build vaultserver ## figures, each beside its yardstick in the same run
	go test -run '^$$' -bench . -benchtime 1s ./...
	cd lab && go test -run '^$$' -bench . -benchtime 1s ./...

$(TOOLS)/golangci-lint: tools/go.mod tools/go.sum
	@mkdir -p $(TOOLS)
	@echo "building golangci-lint (about two minutes, once)"
	cd tools && go build -o ../$(TOOLS)/golangci-lint github.com/golangci/golangci-lint/v2/cmd/golangci-lint

.PHONY: lint
lint: $(TOOLS)/golangci-lint ## style, mistakes, and the arrows between packages
	$(TOOLS)/golangci-lint run ./...
	cd lab && ../$(TOOLS)/golangci-lint run --config ../.golangci.yml ./...

RULE_BASE ?=
RULES_DIR ?= build/rules

.PHONY: rules
rules: ## the rule pack with its ids moved: RULE_BASE=ID [RULES_DIR=build/rules]
	@test -n "$(RULE_BASE)" || { echo 'usage: make rules RULE_BASE=ID [RULES_DIR=DIR]' >&2; exit 2; }
	@cd lab && $(GO_BUILD) -o ../$(BIN)/rulebase ./cmd/rulebase
	@$(BIN)/rulebase -base "$(RULE_BASE)" ossec-snippets "$(RULES_DIR)"

TIME ?=

.PHONY: fuzz
fuzz: ## every fuzz target in turn, about ten minutes in all: [TIME=1m for each]; stops at the first finding
	@bash tools/fuzz.sh $(TIME)

# Owners are set where the users exist: on a real manager as root. DESTDIR is for packages and for a look.
DESTDIR ?=

.PHONY: install
install: build ## the manager's side, below DESTDIR: owners and modes as docs/install.md says
	@DESTDIR='$(DESTDIR)' BIN='$(BIN)' bash packaging/install.sh manager

.PHONY: install-agent
install-agent: build ## the agent's side, below DESTDIR
	@DESTDIR='$(DESTDIR)' BIN='$(BIN)' bash packaging/install.sh agent

.PHONY: clean
clean: ## everything that was built
	rm -rf build
