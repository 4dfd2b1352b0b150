# Everything sets itself up: see tools/setup. PYTHON may name another Python 3.11 or 3.12.
PYTHON ?= python3
BIN := .venv/bin
.NOTPARALLEL:
.PHONY: help demo test check bench setup

help: ## Say what there is
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1	\2/p' $(MAKEFILE_LIST)

demo: ## Record, verify and replay a short session on a simulated rig; about two minutes
	@$(PYTHON) tools/setup demo
	@$(BIN)/python tools/demo

test: ## Run the tests; ARGS="-k clock" passes options to pytest
	@$(PYTHON) tools/setup test
	@$(BIN)/python -m pytest $(ARGS)

check: ## Check style, types (Linux and Windows) and which room imports which
	@$(PYTHON) tools/setup check
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/mypy --platform win32
	@$(BIN)/lint-imports

bench: ## Measure what a recording costs, alone and beside two busy processes; about two minutes
	@$(PYTHON) tools/setup demo
	@$(BIN)/python bench/recording.py
	@$(BIN)/python bench/recording.py --busy 2

setup: ## Only set up: packages of the system and .venv
	@$(PYTHON) tools/setup test
