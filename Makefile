# `make` explains itself. Everything lives in .venv; nothing is installed elsewhere but, where missing, python3-venv.

VENV := .venv
BIN := $(VENV)/bin
PROTOS := $(sort $(wildcard protos/wuzapi_manager/v1/*.proto))
STAMP := $(VENV)/.installed
IMAGE := protos/released.binpb
LINT_CONFIG := protos/buf.json
WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help setup run demo test coverage test-kills test-servers drill row-scope check fix proto lock bench release-image clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

setup: $(STAMP) ## Make .venv with all that this project needs

$(STAMP): requirements.lock pyproject.toml .ci/venv.sh
	@echo "Filling $(VENV): about a minute, once"
	@sh .ci/venv.sh $(VENV)
	@$(BIN)/python -m pip install --quiet --no-deps --require-hashes --requirement requirements.lock
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

run: setup ## Start the server with the settings of the environment and .env
	@$(BIN)/wuzapi-manager serve

demo: setup ## Start everything on scratch data, tour the API, leave nothing behind
	@$(BIN)/python -m tests.demo

test-servers: setup ## Install the servers that the tests need and that are missing: PostgreSQL, MariaDB, NocoDB
	@$(BIN)/python -m tests.servers

test: setup ## Run the tests
	@$(BIN)/python -m pytest -n $(WORKERS) $(ARGS)

coverage: setup ## Run the tests, half as long again, and insist on their branch coverage
	@rm -f .coverage .coverage.*
	@$(BIN)/python -m pytest -n $(WORKERS) --cov --cov-report= $(ARGS)
	@$(BIN)/coverage report

drill: setup ## Send 1,000 messages while answers are lost and the server is killed
	@RELAY_DRILL_SENDS=1000 $(BIN)/python -m pytest -q tests/e2e/relay/test_relay_drill.py

row-scope: setup ## Search 10,000 random examples of each source, or of one (SOURCE=sqlite), for rows of others
	@ROW_SCOPE_EXAMPLES=$${ROW_SCOPE_EXAMPLES:-10000} $(BIN)/python -m pytest -q \
		tests/e2e/test_row_scope_properties.py $(if $(SOURCE),-k $(SOURCE)) $(ARGS)

test-kills: setup ## Kill the server 100 times each amid all its work, migrations, and restores offline
	@KILLS=$${KILLS:-100} $(BIN)/python -m pytest -q tests/e2e/test_*_kill.py tests/e2e/test_restore_offline.py -k kill $(ARGS)

check: setup ## Judge everything but the tests: format, lint, types, layers, protos
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@sh .ci/protos.sh check
	@sh .ci/lock.sh check

fix: setup ## Format, and mend what the linter can
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

proto: setup ## Make the stubs in generated/ from protos/
	@sh .ci/protos.sh generate

release-image: setup ## Record the protos as released: later changes must not break them
	@sh .ci/protos.sh release

lock: setup ## Renew requirements.lock from pyproject.toml
	@sh .ci/lock.sh

bench: setup ## Measure speed and memory, print the table of docs/benchmarks.md
	@$(BIN)/python -m tests.benchmarks

clean: ## Remove what make made
	@rm -rf $(VENV) .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
