# Every target sets itself up: it needs Python 3.11-3.13, git and make, and uses uv (fetched from PyPI when absent).
.DEFAULT_GOAL := help
.PHONY: help demo test check format bench docs lock clean
SHELL := /bin/bash
export UV_PYTHON_DOWNLOADS := never
export UV_COMPILE_BYTECODE := 1

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
UV := $(shell command -v uv || { test -x .uv/bin/uv && echo .uv/bin/uv; } || echo .uv/bin/uv)

help:    ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | expand -t 12

demo: $(READY)    ## a crew of agents does a job while its host, its worker and Temporal are killed; CHAOS=0: without kills
	@$(BIN)/python -m examples.demo $(if $(filter 0,$(CHAOS)),--calm)

test: $(READY)    ## the whole test suite, against real servers
	$(BIN)/python -m pytest $(ARGS)

check: $(READY)    ## format, lint, types, layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy -p resprout
	$(BIN)/mypy tests examples benchmarks docs/cast
	$(BIN)/lint-imports --no-cache

format: $(READY)    ## rewrite the sources in the house format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(READY)    ## every benchmark, quick form
	@for file in benchmarks/*.py; do $(BIN)/python $$file --quick || exit 1; done

docs: $(READY)    ## build the documentation site into site/
	$(BIN)/mkdocs build --strict

lock: .uv/bin/uv    ## resolve the dependencies again
	$(UV) lock
	touch uv.lock

clean:    ## remove what these targets made
	rm -rf .venv .uv .editable build dist site *.egg-info

# The stamp is newer than what it was made from, so a second run needs no network.
# `.venv/src/resprout` lets mypy see the root as the package `resprout` whatever the clone is called.
$(READY): pyproject.toml setup.py uv.lock | $(UV)
	@$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info < (3, 14) else f"Resprout needs Python 3.11 to 3.13; {sys.executable} is {sys.version.split()[0]}. Say: make PYTHON=/path/to/python3.12")'
	@echo "setting up .venv (a few minutes the first time)"
	@$(UV) sync --frozen --all-extras --python $$(command -v $(PYTHON)) --quiet
	@mkdir -p .venv/src && ln -sfn ../.. .venv/src/resprout
	@touch $@

.uv/bin/uv:
	@echo "fetching uv from PyPI into .uv"
	@$(PYTHON) -m venv .uv >/dev/null 2>&1 && .uv/bin/pip install --quiet uv \
	  || { rm -rf .uv && $(PYTHON) -m pip install --quiet --target .uv uv; } \
	  || { rm -rf .uv; echo "could not fetch uv: this Python has neither venv nor pip. Install python3-venv or uv, and run make again." >&2; exit 1; }
