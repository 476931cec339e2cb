# Everything a developer, an operator trying it out, and CI types. Each target
# does its own set-up: what is missing is fetched into .cache, at pinned
# versions, and never fetched again.
SHELL := /bin/bash
export CGO_ENABLED := 0

# Tools of the checks, pinned; built by go install into the cache.
CACHE          ?= $(CURDIR)/.cache
GOLANGCI       := v2.15.0
GOLANGCI_LINT  := $(CACHE)/golangci-lint-$(GOLANGCI)/golangci-lint
GOVULN         := v1.9.0
GOVULNCHECK    := $(CACHE)/govulncheck-$(GOVULN)/govulncheck

# Linters of what is deployed, pinned in a list of their own; each is a program in
# a Python package. goreleaser is the last one that builds with this Go.
DEPLOY_TOOLS   := $(CACHE)/deploy-tools-$(shell cksum < ops/deploy/requirements.txt | cut -d' ' -f1)
GORELEASER     := $(CACHE)/goreleaser-v2.14.3/goreleaser

# promtool is Prometheus' own judge of rules; version 0.316 of the module is
# Prometheus 3.16.
PROMTOOL_VERSION := v0.316.0
PROMTOOL         := $(CACHE)/promtool-$(PROMTOOL_VERSION)/promtool

# The modules: the product, what follows its cold tier with a library of its own,
# the stack all is tried on, and what renders the chart.
MODULES := . tiering/iceberg ops/local ops/deploy/helm

.PHONY: help run smoke faults faults-cold build test test-unit test-stack race check bench bench-engine bench-stack bench-tier loadtest fuzz vuln alerts-check deploy-check clean

help: ## print this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: build ## the whole product on this machine, with a fleet that sends, until ^C
	@bin/local run

smoke: build ## the same for 20 s, with everything proven; the last line is JSON
	@bin/local smoke $(SMOKE)

# FAULTS=long is the proof and takes most of an hour. FAULTS_ARGS are flags of
# "bin/local faults", such as --seed 7 --only kill --kills 50.
FAULTS      ?= short
FAULTS_ARGS ?=
faults: build ## everything broken under load, all proven; FAULTS=short|long, FAULTS_ARGS
	@go build -tags failpoints -o bin/ingest-faults ./cmd/ingest
	@bin/local faults --mode $(FAULTS) $(FAULTS_ARGS)

# COLD=long is the proof; COLD_ARGS are flags of "bin/local faults-cold".
COLD      ?= short
COLD_ARGS ?=
faults-cold: build ## the cold tier broken while days move, the view proven; COLD=short|long, COLD_ARGS
	@go build -tags failpoints -o bin/compactor-faults ./cmd/compactor
	@bin/local faults-cold --mode $(COLD) $(COLD_ARGS)

build: ## the programs, into bin/
	@go build -o bin/ ./cmd/... ./loadtest/cmd/...
	@cd tiering/iceberg && go build -o ../../bin/ ./cmd/...
	@cd ops/local && go build -o ../../bin/local .

test: test-unit alerts-check test-stack ## all tests

# Tests of a node wait for timers far more than they compute, so more of them go
# side by side than there are cores.
test-unit: ## the tests that need no server
	go test -parallel 12 ./...
	cd tiering/iceberg && go test ./...
	cd ops/local && go test $$(go list ./... | grep -v -e /stacktest -e /clickhouse)
	cd ops/deploy/helm && go test ./...

test-stack: build ## the tests that start a real Kafka, ClickHouse and S3
	@bin/local fetch
	cd ops/local && go test -p 1 -timeout 45m ./clickhouse/... ./stacktest/...

alerts-check: $(PROMTOOL) ## the alert rules with their cases, and what dashboards ask, by promtool
	@$(PROMTOOL) check rules ops/alerts/penstock.yaml ops/dashboards/testdata/queries.yaml
	@$(PROMTOOL) test rules ops/alerts/tests/*.yaml

$(PROMTOOL):
	@echo "building promtool $(PROMTOOL_VERSION), once"
	@GOBIN=$(dir $@) go install github.com/prometheus/prometheus/cmd/promtool@$(PROMTOOL_VERSION)

race: ## the unit tests under the race detector; needs a C compiler
	CGO_ENABLED=1 go test -race ./...
	cd tiering/iceberg && CGO_ENABLED=1 go test -race ./...
	cd ops/local && CGO_ENABLED=1 go test -race $$(go list ./... | grep -v -e /stacktest -e /clickhouse)

check: $(GOLANGCI_LINT) ## format, vet, lint, tidy modules, and a clean tree
	@test -z "$$(gofmt -l .)" || { echo "not formatted:"; gofmt -l .; exit 1; }
	@for m in $(MODULES); do \
	  echo "check $$m" && cd $(CURDIR)/$$m && go vet ./... && go mod tidy -diff && \
	  $(GOLANGCI_LINT) run --config $(CURDIR)/.golangci.yml ./... || exit 1; done
	@test -z "$$(git status --porcelain)" || { echo "not committed:"; git status --short; exit 1; }

# Beside the tests, which render the chart and read all that is deployed. What is of
# systemd is skipped where there is none; goreleaser takes minutes to build, once.
deploy-check: $(DEPLOY_TOOLS)/done $(GORELEASER) ## the linters of ops/deploy: image, compose file, units, scripts, release
	@cd ops/deploy && b=$(DEPLOY_TOOLS)/bin && set -e; \
	echo "hadolint";       $$b/hadolint docker/Dockerfile docker/release.Dockerfile; \
	echo "shellcheck";     $$b/shellcheck ../../.ci/run compose/*.sh kafka/*.sh; \
	echo "yamllint";       $$b/yamllint --strict --config-file .yamllint.yaml compose systemd goreleaser.yaml helm/values helm/testdata helm/penstock/Chart.yaml helm/penstock/values.yaml; \
	echo "docker compose"; $$b/docker-compose --file compose/compose.yaml config --quiet; \
	echo "goreleaser";     $(GORELEASER) check --quiet goreleaser.yaml; \
	if command -v systemd-analyze >/dev/null; then echo "systemd-analyze"; ./systemd/verify.sh; fi

$(DEPLOY_TOOLS)/done: ops/deploy/requirements.txt
	@echo "installing $$(paste -sd' ' $<), once"
	@python3 -m venv $(@D) && $(@D)/bin/pip install --quiet --disable-pip-version-check --requirement $< && touch $@

$(GORELEASER):
	@echo "building goreleaser, once"
	@GOBIN=$(@D) go install github.com/goreleaser/goreleaser/v2@$(patsubst goreleaser-%,%,$(notdir $(@D)))

$(GOLANGCI_LINT):
	@echo "building golangci-lint $(GOLANGCI), once"
	@GOBIN=$(dir $@) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI)

# BENCH_ARGS are flags of "bin/local bench", such as --events 1000000 --runs 1
# --case json-clickhouse-none.
BENCH_ARGS ?=
bench: build ## the hops from record to block (decode, dedup, append, encode; no enrichment yet), then whole nodes; the last line is JSON
	go test -run '^$$' -bench . -benchmem ./schema ./pipeline/...
	@bin/local bench $(BENCH_ARGS)

# ENGINE_ARGS are flags of "bin/local bench-engine", such as --variant lz4,zstd3.
ENGINE_ARGS ?=
bench-engine: build ## what ClickHouse takes to store a million events, by parts of the tables; the last line is JSON
	@bin/local bench-engine $(ENGINE_ARGS)

# STACK_ARGS are flags of "bin/local bench-stack", such as --phases latency.
STACK_ARGS ?=
bench-stack: build ## all of it at once under load: Kafka, ClickHouse, a node and a fleet; the last line is JSON
	@bin/local bench-stack $(STACK_ARGS)

# SCENARIO is one of "bin/loadtest scenarios", or a file. BASELINE is a report.json
# of an earlier run, or a git revision to build and run in turns. LOADTEST_ARGS are
# flags of "bin/local loadtest", such as --runs 3 --rate 20000. Make itself ends
# with 2 for any failure; "Error 1" is a verdict and "Error 2" is none.
SCENARIO      ?= steady
BASELINE      ?=
LOADTEST_ARGS ?=
loadtest: build ## a scenario played and judged: SCENARIO=steady|spike|..., BASELINE, LOADTEST_ARGS
	@bin/local loadtest $(SCENARIO) $(if $(BASELINE),--baseline $(BASELINE)) $(LOADTEST_ARGS)

# TIER_ARGS are flags of "bin/local bench-tier", such as --rows 20000000.
TIER_ARGS ?=
bench-tier: build ## the hops from block to Parquet and back, then whole days to S3, beside ClickHouse's and DuckDB's own export; the last line is JSON
	go test -run '^$$' -bench . -benchmem ./tiering/archive
	@bin/local bench-tier $(TIER_ARGS)

# FUZZ is how long each lasts, such as 10m, or 10000000x for so many executions.
# FUZZ_ONLY is a part of the names of those that are wanted, such as Decode.
FUZZ      ?= 60s
FUZZ_ONLY ?= Fuzz
fuzz: ## every parser of what comes from outside, FUZZ=60s each; FUZZ_ONLY=Decode for some
	@grep -rHo --include='*_test.go' --exclude-dir=.cache '^func Fuzz[A-Za-z]*' . | grep $(FUZZ_ONLY) | sort | \
	while IFS=: read -r file name; do \
	  echo "$${name#func } in $${file%/*}" && cd "$(CURDIR)/$${file%/*}" && \
	  go test -run '^$$' -fuzz "^$${name#func }\$$" -fuzztime $(FUZZ) -fuzzminimizetime 10x . </dev/null || exit 1; done

# What "go mod verify" says of our own modules in each other's place is no fault.
vuln: $(GOVULNCHECK) ## libraries as go.sum has them, and none of a known vulnerability; VULN=require fails where that cannot be checked
	@for m in $(MODULES); do \
	  said=$$(cd $$m && go mod verify 2>&1 | grep -v -e '^all modules verified' -e '^penstock v0') || true; \
	  test -z "$$said" || { echo "$$m: $$said"; exit 1; }; done
	@VULN=$(VULN) .ci/vuln $(GOVULNCHECK) $(MODULES)

$(GOVULNCHECK):
	@echo "building govulncheck $(GOVULN), once"
	@GOBIN=$(dir $@) go install golang.org/x/vuln/cmd/govulncheck@$(GOVULN)

clean: ## remove what was built and run, not what was fetched
	rm -rf bin .state
