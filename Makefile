# Everything sets itself up: see tools/setup. PYTHON may name another Python 3.11 or 3.12.
PYTHON ?= python3
BIN := .venv/bin
# Whatever the caller's environment says: of hundreds of processes each would compile every module anew.
unexport PYTHONDONTWRITEBYTECODE
.NOTPARALLEL:
.PHONY: help demo demo-simavr test check bench soak setup

help: ## Say what there is
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1	\2/p' $(MAKEFILE_LIST)

demo: ## Record, verify and replay a short session on a simulated rig; about two minutes
	@$(PYTHON) tools/setup demo
	@$(BIN)/python tools/demo

demo-simavr: ## The same session, its trigger box being our firmware on a simulated chip
	@$(PYTHON) tools/setup test
	@$(BIN)/python -m tests.trigger.firmware.demo

# Tests wait for processes and for real time, too: four at once keep two cores busy.
test: ## Run the tests; ARGS="-k clock" passes options to pytest
	@$(PYTHON) tools/setup test
	@$(BIN)/python -m pytest --numprocesses 4 --dist worksteal $(ARGS)

check: ## Check style, types (Linux and Windows) and which room imports which
	@$(PYTHON) tools/setup check
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/mypy --platform win32
	@$(BIN)/lint-imports

bench: ## Measure trigger box, clock, LED code, simulated cameras, fault schedules, recording, verifying, looking, writing, archiving
	@$(PYTHON) tools/setup bench
	@failed=0; \
	for bench in trigger_box clock_mapping driver_fuzz led_code simulator schedules clockless reading recording 'recording --busy 2' \
		verifying viewer film writer peers moonshot smic archive hour ground_truth; do \
		$(BIN)/python -m bench.$$bench || failed=1; \
	done; \
	exit $$failed

soak: ## Kill recordings and archivings, cut their power, and count what is lost; ARGS="--kills 200" for more recordings
	@$(PYTHON) tools/setup bench
	@failed=0; \
	$(BIN)/python -m bench.crashes $(ARGS) || failed=1; \
	$(BIN)/python -m bench.paradigm || failed=1; \
	$(BIN)/python -m bench.archive --seconds 0 --kills 50 --cuts 50 || failed=1; \
	exit $$failed

setup: ## Only set up: packages of the system and .venv
	@$(PYTHON) tools/setup test
