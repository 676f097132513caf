# Vaxgate: every target sets up what it needs and exits non-zero when what it promises is not so.
# On a fresh Debian or Pi OS machine python3 and make are enough to begin with.

SHELL := /bin/sh
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

# T=path and K=pattern choose tests; N and SECONDS bound the long runs; ONCE=1 runs the demo's cast once;
# QUICK, PARTS, FRAMES and TOOLS are the bench's; RECORD=1 writes the budgets.
T ?= tests
K ?=
N ?= 1000000
SEED ?= 1
JOBS ?= 2
KILLS ?= 2000
CUTS ?= 200
ONCE ?=
SECONDS ?=
RECORD ?=
QUICK ?=
PARTS ?=
FRAMES ?=
TOOLS ?=

.PHONY: docs help dev demo test lint format types ci ci-full bench interop attacks crash fleet bench-trust bench-rules scenarios fuzz wheel clean budget soak browser webserver valgrind lock

help: ## this list
	@grep -hE '^[a-z][a-z-]*:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 22

# --- the environment -------------------------------------------------------------------------------------

# $(call need,what is missing,packages): install them when root, else say what to type and stop.
need = if [ "$$(id -u)" = 0 ]; then \
	    echo "installing $(2)"; \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(2) >/dev/null; \
	  else echo "$(1) is missing. Type: sudo apt-get install $(2)" >&2; false; fi

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; $$($(PYTHON) --version) was found" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { $(call need,python3-venv,python3-venv); }
	$(PYTHON) -m venv $(VENV)

# What the product needs to run, and the project itself, editable, with its commands in .venv/bin.
$(VENV)/.runtime: requirements/runtime.txt pyproject.toml | $(VENV)/bin/python
	@echo "setting up the environment (once)"
	@$(PIP) install --require-hashes -r requirements/runtime.txt
	@$(PIP) install --no-deps --no-build-isolation -e . >$(VENV)/install.log 2>&1 || { cat $(VENV)/install.log >&2; false; }
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.runtime
	@$(PIP) install --require-hashes -r requirements/dev.txt
	@touch $@

browser: # Debian's Chromium, for the tests that look at the kiosk page
	@command -v chromium >/dev/null && command -v chromedriver >/dev/null || \
	  { $(call need,Chromium,chromium chromium-driver fonts-dejavu-core); } || \
	  [ -z "$(CI)" ] || exit 1

webserver: # Debian's nginx, for the tests that serve a trust repository as it is served in life
	@PATH="$$PATH:/usr/sbin"; command -v nginx >/dev/null || \
	  { $(call need,nginx,nginx-light); } || \
	  [ -z "$(CI)" ] || exit 1

valgrind: # Debian's valgrind, which counts instructions
	@command -v valgrind >/dev/null || \
	  { $(call need,valgrind,valgrind); } || \
	  [ -z "$(CI)" ] || exit 1

dev: $(VENV)/.dev ## the environment in .venv, commands in .venv/bin

lock: $(VENV)/.dev ## pin the requirements anew, with hashes for every architecture
	@$(BIN)/python requirements/lock.py

# --- daily work ------------------------------------------------------------------------------------------

demo: $(VENV)/.runtime ## a browser page where certificate after certificate is judged (ONCE=1: the cast once)
	@$(BIN)/vaxgate demo $(if $(ONCE),--once)

test: $(VENV)/.dev browser webserver ## all tests (T=path K=pattern)
	@$(BIN)/pytest -q -n 2 --dist loadfile $(T) $(if $(K),-k '$(K)')

lint: $(VENV)/.dev ## ruff: rules and format
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

format: $(VENV)/.dev ## put the code into its form
	@$(BIN)/ruff check --fix --quiet .
	@$(BIN)/ruff format .

types: $(VENV)/.dev ## mypy --strict over the four packages
	@$(BIN)/mypy

docs: $(VENV)/.dev ## the generated pages: reasons, the example of HC1, the configuration's keys
	@$(BIN)/python tests/write_docs.py

scenarios: $(VENV)/.dev browser webserver ## rows of the scenario table that a passed test bears, of 193, and the missing
	@$(BIN)/pytest -q -n 2 --dist loadfile --scenarios --scenarios-page docs/scenarios-coverage.md tests

wheel: $(VENV)/.dev ## build the wheel, install it in a clean environment, run each command from elsewhere
	@rm -rf build/wheel build/lib build/bdist.* dist && mkdir -p build/wheel
	@$(PIP) wheel --no-deps --no-build-isolation --wheel-dir dist .
	@$(PYTHON) -m venv build/wheel/venv
	@build/wheel/venv/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes -r requirements/runtime.txt
	@build/wheel/venv/bin/python -m pip --disable-pip-version-check --quiet install --no-deps dist/*.whl
	@$(BIN)/python tests/try_wheel.py build/wheel/venv
	@ls dist/*.whl

# Python that finds what the tests share.
TOOL := PYTHONPATH=tests $(BIN)/python

# --- what integrators look at ------------------------------------------------------------------------------

interop: $(VENV)/.dev ## the published vectors, every suite; writes the tables of docs/interop.md
	@$(BIN)/python tests/interop.py

bench: $(VENV)/.dev ## all that is fast or slow here, with goals and plots (QUICK=1, PARTS="reading chain", FRAMES=folder, SEED=1)
	@$(TOOL) -m bench $(if $(QUICK),--quick) $(if $(FRAMES),--frames $(FRAMES)) $(if $(TOOLS),--tools $(TOOLS)) --seed $(SEED) $(PARTS)

attacks: $(VENV)/.dev ## every attack on the trust of a unit, as a story
	@$(TOOL) -m attacks

crash: $(VENV)/.dev ## a sync killed at every step (KILLS=2000), the power cut under it (CUTS=200, as root)
	@$(TOOL) tests/crash.py --kills $(KILLS) --cuts $(CUTS) --seed $(SEED)

fleet: $(VENV)/.dev webserver ## a night of ten thousand units against one nginx
	@$(BIN)/python tests/fleet.py --json build/fleet.json

bench-trust: $(VENV)/.dev ## what the trust list costs: a sync, revocation at 80 million, a publication (minutes)
	@$(TOOL) -m bench.sync --json build/sync.json
	@$(TOOL) -m bench.revocation --json build/revocation.json
	@$(TOOL) -m bench.publish --json build/publish.json

bench-rules: $(VENV)/.dev ## rules on one certificate, and ten thousand names against their passport lines
	@$(TOOL) -m bench.rules --json build/rules.json
	@$(TOOL) -m bench.national --json build/national.json
	@$(TOOL) -m bench.names --people 10000 --json build/names.json

fuzz: $(VENV)/.dev ## hostile texts, containers, documents and pictures (N=1000000 SEED=1 JOBS=2)
	@$(BIN)/python tests/fuzz.py --cases $(N) --seed $(SEED) --jobs $(JOBS)

budget: $(VENV)/.dev valgrind ## instructions of looks and verdicts against their budgets, ± 3 % (RECORD=1 writes them)
	@$(TOOL) -m bench.budget $(if $(RECORD),--record) --json build/budget.json

soak: $(VENV)/.dev ## a million scans, and what they leave in memory (N=1000000 SECONDS=)
	@$(TOOL) -m bench.soak --scans $(N) $(if $(SECONDS),--seconds $(SECONDS)) --json build/soak.json

# --- landing -----------------------------------------------------------------------------------------------

ci: lint types scenarios budget wheel ## what .ci/run calls

ci-full: QUICK = 1
ci-full: ci interop bench fuzz ## everything that is too slow for every change
	@$(MAKE) --no-print-directory demo ONCE=1

clean: ## remove what the targets made
	rm -rf $(VENV) .vaxgate build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
