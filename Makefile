# ClipJury: every command a person types. `make` alone lists them.
.DEFAULT_GOAL := help
SHELL := /bin/sh
PYTHON ?= python3
PORT ?= 8000
BIN := .venv/bin

.PHONY: help demo demo-reset test check oracles bench soak lock licences clean

help: ## list the commands
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

demo: .venv/installed ## build the demo study and serve it on 127.0.0.1 (PORT=8000 changes the port)
	@exec $(BIN)/clipjury demo --port $(PORT)

demo-reset: .venv/installed ## throw the demo's judgments away; the next `make demo` starts afresh
	@$(BIN)/clipjury demo --reset

test: check ## lint, types and every test, in SQLite, PostgreSQL and Chromium
	@$(BIN)/python -m pytest -n 2 --dist worksteal

check: .venv/installed-dev ## lint, types and known weaknesses
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/bandit --quiet --recursive --configfile pyproject.toml app scoring analysis tools

oracles: .venv/installed-oracles ## compare the statistics with other people's libraries
	@$(BIN)/python -m pytest -n 0 tests/oracles

bench: .venv/installed-dev ## measure the server under load and the pages' speed, and print the figures
	@$(BIN)/python -m tests.bench

soak: .venv/installed-dev ## attack the server while raters work: kills, full disks, outages, hostile requests (20 minutes on two cores)
	@$(BIN)/python -m tests.soak

# The lock files hold exact versions and hashes, and no addresses: they install from any index.
lock: .venv/bin/python ## renew the lock files from pyproject.toml
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@UV_SYSTEM_CERTS=1 $(BIN)/uv pip compile pyproject.toml --extra demo --universal --generate-hashes --upgrade \
		--no-header --no-annotate --no-emit-index-url --quiet -o requirements.lock
	@UV_SYSTEM_CERTS=1 $(BIN)/uv pip compile pyproject.toml --extra demo --group dev --universal --generate-hashes --upgrade \
		--no-header --no-annotate --no-emit-index-url --quiet -c requirements.lock -o requirements-dev.lock
	@UV_SYSTEM_CERTS=1 $(BIN)/uv pip compile pyproject.toml --extra demo --group oracles --universal --generate-hashes \
		--upgrade --no-header --no-annotate --no-emit-index-url --quiet -c requirements-dev.lock -o requirements-oracles.lock

licences: .venv/installed ## write docs/licences.md: the licences of the packages that ClipJury needs to run
	@$(BIN)/python tools/licences.py

clean: ## remove the environment and what tools left behind
	@rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .schemathesis

.venv/bin/python:
	@$(PYTHON) tools/make_venv.py

.venv/installed: requirements.lock pyproject.toml .venv/bin/python
	@$(BIN)/python tools/install.py requirements.lock $@

.venv/installed-dev: requirements-dev.lock pyproject.toml .venv/bin/python
	@$(BIN)/python tools/install.py requirements-dev.lock $@ .venv/installed

.venv/installed-oracles: requirements-oracles.lock pyproject.toml .venv/bin/python
	@$(BIN)/python tools/install.py requirements-oracles.lock $@ .venv/installed .venv/installed-dev
