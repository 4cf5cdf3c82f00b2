# Needs Python 3.11 or later and make. Everything else goes into .venv, from the locked requirements.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
RUN := $(VENV)/run.stamp
DEV := $(VENV)/dev.stamp

UV_VERSION := 0.13.9
LOCK := build/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	--no-annotate --no-emit-index-url

.DEFAULT_GOAL := help
.PHONY: help demo test check format bench fuzz endure chaos schema lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(RUN) ## Watch events flow from a mutation to a signed webhook (ARGS=--once ends by itself)
	@$(BIN)/event-issuer demo $(ARGS)

test: $(DEV) ## Run every test (ARGS goes to pytest)
	@$(BIN)/python -m pytest --numprocesses=auto --maxprocesses=4 --dist=worksteal $(ARGS)

check: $(DEV) ## Lint, types, import contracts, house tests, schema
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/house
	$(BIN)/event-issuer schema --check

format: $(DEV) ## Format the code and repair what the linter can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(DEV) ## Probe the limits of this machine and measure the product against them
	@$(BIN)/python -m bench $(ARGS)

fuzz: $(DEV) ## Compare 20,000 pairs of schemas and check every verdict (ARGS="--pairs=… --seed=…")
	@$(BIN)/python -m tests.fuzz $(ARGS)

endure: $(DEV) ## Order, isolation, a dead endpoint for a week, a poison key for days (ARGS="order --store sqlite")
	@$(BIN)/python -m tests.endurance $(ARGS)

chaos: $(DEV) ## Kill, stop and starve processes and brokers during 100,000 deliveries (ARGS="--only=… --store=…")
	@$(BIN)/python -m tests.chaos $(ARGS)

schema: $(RUN) ## Write schema.graphql anew
	$(BIN)/event-issuer schema > schema.graphql.new
	mv schema.graphql.new schema.graphql

lock: ## Pin the requirements anew (ARGS=--upgrade for newer versions)
	$(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	$(LOCK) pyproject.toml --group build --output-file requirements.txt $(ARGS)
	$(LOCK) pyproject.toml --group build --group dev --constraint requirements.txt \
		--output-file requirements-dev.txt $(ARGS)

clean: ## Remove what make has made
	rm -rf $(VENV) build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps come last, so that an interrupted installation is repeated. --no-deps, because the locks are whole: the pip
# that Python 3.11 brings looks for the newest version where a dependency names an extra, and finds no hash for it.

$(RUN): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit(f"Python 3.11 or later is needed, this is {sys.version.split()[0]}: set PYTHON=/path/to/python3.11")'
	@echo "Installing into $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install --require-hashes --no-deps --requirement requirements.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(DEV): requirements-dev.txt $(RUN)
	@echo "Installing the development tools into $(VENV) ..."
	@$(PIP) install --require-hashes --no-deps --requirement requirements-dev.txt
	@touch $@
