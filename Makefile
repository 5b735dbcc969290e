# Gale. `make` or `make help` lists what there is.

SHELL       := /bin/bash
VENV        ?= .venv
BIN         := $(VENV)/bin
PORT        ?= 8080
GALE_HOME   ?= $(CURDIR)/.gale
# Old machines call an old Python python3: take the first one that is new enough.
ifndef PYTHON
PYTHON      := $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo $$p; break; }; done)
endif

PARTS       := libs/common libs/airflow-compat services/flower-proxy services/scheduler services/webserver services/worker
PROJECTS    := pyproject.toml $(PARTS:%=%/pyproject.toml) constraints.txt
PAGE        := $(shell find services/webserver/frontend services/webserver/hatch_build.py -type f \
	-not -path '*/node_modules/*' -not -path '*/dist/*' 2>/dev/null)
PIP         := $(BIN)/python -m pip --disable-pip-version-check --quiet
EDITABLE    := $(PARTS:%=--editable %) --editable '.[rabbitmq]'

# Stamps: what has been installed, so that the second `make run` starts at once.
INSTALLED   := $(VENV)/.installed
FOR_TESTS   := $(VENV)/.installed-for-tests
FOR_LINT    := $(VENV)/.installed-for-lint

.DEFAULT_GOAL := help
.PHONY: help run test test-compose lint format bench docs migration clean python

help: ## List what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 16
	@echo
	@echo "PORT=8080  GALE_HOME=.gale  GALE_ADMIN_PASSWORD=…   for make run"

run: $(INSTALLED) ## Start everything here; the page is on http://localhost:8080 (PORT=…, GALE_HOME=…)
	@GALE_HOME='$(GALE_HOME)' exec $(BIN)/gale standalone --port $(PORT)

test: $(FOR_TESTS) ## Run every tier of tests that this machine can run (TIERS="unit mysql" runs some)
	@$(BIN)/python tests/tiers.py $(TIERS) $(ARGS)

test-compose: $(FOR_TESTS) ## Build the images, bring the cluster up, test it from outside, delete it; needs Docker
	@GALE_TEST_COMPOSE=1 $(BIN)/python -m pytest -q tests/compose $(ARGS)

CHECKS      := "ruff check" "ruff format --check" mypy lint-imports \
	"interrogate --config pyproject.toml --quiet libs/*/src services/*/src" "pytest -q tests/architecture"

lint: $(FOR_LINT) ## Check style, types, layers, docstrings and budgets
	@failed=; for check in $(CHECKS); do echo "== $$check"; $(BIN)/$$check || failed="$$failed, $${check%% *}"; done; \
		if [ -n "$$failed" ]; then echo "Failed: $${failed#, }"; exit 1; fi; echo "All checks passed."

format: $(FOR_LINT) ## Bring the code into the one form
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(INSTALLED) ## Measure every figure that the README quotes
	@for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python $$script || exit 1; done

docs: $(INSTALLED) ## Print the diagrams and tables of the docs anew from the code
	$(BIN)/python docs/generate.py

migration: $(FOR_TESTS) ## Write a migration from the change of db/tables.py (M="what it does")
	@$(BIN)/python -c 'import sys; from gale.db.migrate import write_migration; write_migration(sys.argv[1])' '$(M)'

clean: ## Delete what was built and installed; .gale with your data stays
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	rm -rf services/webserver/frontend/node_modules services/webserver/src/gale_webserver/static

python:
	@if [ -z '$(PYTHON)' ]; then \
		echo "Gale needs Python 3.11 or newer, but this machine has $$(python3 --version 2>/dev/null | grep . || echo none)."; \
		echo "Install one (Debian, Ubuntu: apt install python3 python3-venv; macOS: brew install python), or name it: make run PYTHON=/path/to/python3.12"; \
		exit 1; fi
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Gale needs Python 3.11 or newer, but $(PYTHON) is $$($(PYTHON) --version 2>&1)."; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
		echo "$(PYTHON) lacks the modules venv and ensurepip, which make a place to install Gale into."; \
		echo "Install them (Debian, Ubuntu: apt install python3-venv) and try again."; exit 1; }

$(VENV)/.made: | python
	@echo "Making $(VENV) with $(PYTHON) …"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install --upgrade --constraint constraints.txt pip
	@touch $@

# Constraints hold for what builds the page too: pip passes PIP_CONSTRAINT on to the build.
$(INSTALLED): $(VENV)/.made $(PROJECTS) $(PAGE)
	@echo "Installing Gale and building its page; this takes a minute or two the first time …"
	@PIP_CONSTRAINT='$(CURDIR)/constraints.txt' $(PIP) install $(EDITABLE)
	@touch $@

$(FOR_TESTS): $(INSTALLED)
	@echo "Installing what the tests need …"
	@PIP_CONSTRAINT='$(CURDIR)/constraints.txt' $(PIP) install --group test
	@# The driver of MySQL is compiled on the spot; where that cannot be, its tier of tests says so.
	@PIP_CONSTRAINT='$(CURDIR)/constraints.txt' $(PIP) install mysqlclient >/dev/null 2>&1 || true
	@touch $@

$(FOR_LINT): $(FOR_TESTS)
	@echo "Installing what the checks need …"
	@PIP_CONSTRAINT='$(CURDIR)/constraints.txt' $(PIP) install --group lint
	@touch $@
