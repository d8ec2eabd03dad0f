# `make help` lists the words.
# The newest Python that is here and that the lists of packages are compiled for.
PYTHON ?= $(shell for each in python3.13 python3.12 python3.11 python3; do \
	$$each -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null \
	&& { echo $$each; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 8000
EXAMPLES ?= 1000
FAULT ?=
ROW ?=
STORED ?= 0
MINUTES ?= 10
BENCH ?=
CHAOS ?=
PHASE ?=
LOCK ?=
VERSION ?=
DATE ?=

.DEFAULT_GOAL := help
.PHONY: help run test journeys assets screenshots services stack lint format fuzz chaos containers bench audit lock update \
	release clean reset

help: ## List the words.
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

# Every file that is installed is one of those whose hashes are in the list.
install = echo "Installing $$(grep -c == $(2)) packages of $(2) ..." && \
	$(1)/pip install --quiet --disable-pip-version-check --require-hashes -r $(2)

# A stamp for each list of packages: an install happens once, and again when the list changes.
$(VENV)/.runtime: requirements.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed (PYTHON=... names it)."; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(call install,$(BIN),requirements.txt)
	@touch $@

$(VENV)/.dev: requirements-dev.txt requirements.txt $(VENV)/.runtime
	@$(call install,$(BIN),requirements-dev.txt)
	@touch $@

# The compiler and the packages of the TypeScript client that a journey makes from the API's document.
TYPESCRIPT := tests/journeys/typescript
$(VENV)/typescript/.installed: $(TYPESCRIPT)/package-lock.json $(VENV)/.dev
	@docker/services.sh nodejs
	@mkdir -p $(@D) && cp $(TYPESCRIPT)/package.json $(TYPESCRIPT)/package-lock.json $(@D)
	@cd $(@D) && npm ci --silent --no-audit --no-fund
	@touch $@

# The judge of accessibility that the desk's journey puts into each page.
BROWSER := tests/journeys/browser
$(VENV)/browser/.installed: $(BROWSER)/package-lock.json $(VENV)/.dev
	@docker/services.sh nodejs chromium
	@mkdir -p $(@D) && cp $(BROWSER)/package.json $(BROWSER)/package-lock.json $(@D)
	@cd $(@D) && npm ci --silent --no-audit --no-fund
	@touch $@

# The contenders of the benchmark run on packages that nothing else here needs.
.venv-bench/.installed: requirements-bench.txt
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 is needed (PYTHON=... names another)."; exit 1; }
	@test -x .venv-bench/bin/python || $(PYTHON) -m venv .venv-bench
	@$(call install,.venv-bench/bin,requirements-bench.txt)
	@touch $@

run: $(VENV)/.runtime ## Run everything in one process, with a demo, on 127.0.0.1:8000 (PORT= for another).
	@exec $(BIN)/python manage.py run --port $(PORT)

services: ## See that PostgreSQL, RabbitMQ and Redis answer on loopback.
	@docker/services.sh

stack: $(VENV)/.runtime ## Run web, workers, scheduler, recorder and Flower on those services.
	@exec docker/stack.sh

# Schemas and rules come with the packages: none of these asks the network.
SCRIPTS := $(wildcard docker/*.sh docker/*/*.sh tests/*.sh) .ci/run
lint: $(VENV)/.dev ## Check style, types, import contracts, migrations, scripts, containers and workflows.
	@$(BIN)/shellcheck $(SCRIPTS)
	@$(BIN)/hadolint docker/Dockerfile
	@$(BIN)/check-jsonschema --quiet --builtin-schema vendor.compose-spec docker-compose.yml
	@$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	@$(BIN)/check-jsonschema --quiet --builtin-schema custom.github-workflows-require-timeout .github/workflows/*.yml
	@$(BIN)/check-jsonschema --quiet --builtin-schema vendor.dependabot .github/dependabot.yml
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/jactionlint --profile correctness
	@$(BIN)/zizmor --offline --quiet .github
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python manage.py makemigrations --check --dry-run

# One list for all Pythons and systems; what is pinned stays until LOCK=--upgrade.
compile = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --custom-compile-command "make lock" $(LOCK) --output-file
lock: $(VENV)/.dev ## Compile the lists of packages from pyproject.toml (LOCK=--upgrade for newer ones).
	@$(compile) requirements.txt pyproject.toml
	@$(compile) requirements-dev.txt --constraint requirements.txt --group dev pyproject.toml
	@$(compile) requirements-bench.txt --group bench

screenshots: $(VENV)/.dev ## Take pictures of the desk for the documents (var/screenshots, docs/images).
	@docker/services.sh chromium
	@$(BIN)/python -m tests.screenshots

assets: ## Build the editor of the template studio (needs Node; the built file is in the repository).
	@cd apps/desk/assets && npm ci --no-audit --no-fund --ignore-scripts --silent && npm run --silent build

update: $(VENV)/.dev ## Show the packages of which there are newer releases.
	@$(BIN)/pip list --outdated --disable-pip-version-check

release: ## Make the commit and the tag of a release (VERSION=1.2.3; DATE= of the changelog).
	@$(PYTHON) docker/release.py "$(VERSION)" $(if $(DATE),--date "$(DATE)")

clean: ## Remove what was installed and compiled; the data stay.
	@rm -rf .venv .venv-bench .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find apps notifications_project tests -name __pycache__ -type d -prune -exec rm -rf {} +

reset: ## Throw away the data of `make run`, after asking.
	@docker/reset.sh

# A package that the advisories do not know is a failure too: it was not looked at.
audit: $(VENV)/.dev ## Compare the pinned packages with known vulnerabilities (asks pypi.org).
	@$(BIN)/pip-audit --strict --no-deps --disable-pip --progress-spinner off \
		--requirement requirements-dev.txt

format: $(VENV)/.dev ## Put the code into its format.
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

test: $(VENV)/.dev ## Run the tests: without servers, and on PostgreSQL, RabbitMQ and Redis if they answer.
	@tests/run.sh --ignore tests/journeys

journeys: $(VENV)/.dev $(VENV)/typescript/.installed $(VENV)/browser/.installed ## Run the slow tests: whole installations, as their users meet them (same servers).
	@docker/services.sh prometheus nginx pgbouncer golang kubectl sshd
	@TEST_PROCESSES_ON_SERVERS=1 tests/run.sh tests/journeys

fuzz: $(VENV)/.dev ## Fuzz the API for long, from its OpenAPI document (EXAMPLES= an operation).
	@$(BIN)/python -m tests.fuzz --examples $(EXAMPLES)

chaos: $(VENV)/.dev ## Inject faults into a stack on servers of its own (FAULT= one of them, or list).
	@$(BIN)/python -m tests.chaos $(CHAOS) $(FAULT)

containers: $(VENV)/.dev ## Run the compose files in containers, and see that mail, faults, backup and upgrade work (PHASE=).
	@$(BIN)/python -m tests.containers $(PHASE)

bench: $(VENV)/.dev .venv-bench/.installed ## Measure speed against ceilings of the same run, 50 minutes (ROW= one, or list; STORED= rows; MINUTES=).
	@$(BIN)/python -m tests.benchmarks --stored $(STORED) --minutes $(MINUTES) $(BENCH) $(ROW)
