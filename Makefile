# Two commands for a fresh machine with Python 3.11 and make:  make demo   make test
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
OTHERS := .venv-others
# Where downloads are kept between clones (wheels, Kafka's jars): set SLIDR_CACHE_DIR to move them.
export SLIDR_CACHE_DIR ?= $(HOME)/.cache/slidr
export UV_CACHE_DIR ?= $(SLIDR_CACHE_DIR)/uv

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint bench others schemas docs lock clean

help:  ## show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 16

$(READY): requirements.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-uv.txt
	$(BIN)/uv pip sync --python $(BIN)/python --require-hashes requirements.txt
	$(BIN)/uv pip install --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

setup: $(READY)  ## build .venv from the locked requirements

demo: $(READY)  ## the main job on real servers, with live traffic; ARGS=--json for one JSON line
	$(BIN)/python -m slidr demo $(ARGS)

test: lint  ## set up, lint and run every test, two files at a time; ARGS goes to pytest
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile $(ARGS)

lint: $(READY)  ## ruff, mypy --strict, the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

bench: $(READY)  ## benchmarks on real servers; ARGS=--help lists them
	$(BIN)/python -m bench $(ARGS)

$(OTHERS)/.ready: $(READY) requirements-others.txt
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(OTHERS)
	$(BIN)/uv pip sync --python $(OTHERS)/bin/python --require-hashes requirements-others.txt
	@touch $@

others: $(OTHERS)/.ready  ## build .venv-others, with the engines that ARGS="backlog --others" compares with

schemas: $(READY)  ## write the JSON Schemas of contracts/ anew
	$(BIN)/python -m contracts.schemas

docs: $(READY)  ## write docs/reference.md anew
	$(BIN)/python -m slidr.reference

lock: $(READY)  ## resolve pyproject.toml into the hashed requirements files
	$(BIN)/uv pip compile pyproject.toml --quiet --all-extras --group dev --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-annotate --no-header --output-file requirements.txt
	$(BIN)/uv pip compile --quiet --group others --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-annotate --no-header --output-file requirements-others.txt
	grep -A 99 '^uv==' requirements.txt | awk 'NR > 1 && /^[a-z]/ { exit } { print }' > requirements-uv.txt

clean:  ## remove the virtual environment and caches of this clone
	rm -rf $(VENV) $(OTHERS) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis *.egg-info
