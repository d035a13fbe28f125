# `make` alone explains the commands. Each sets up what it needs in .venv; nothing has to be activated.
PYTHON ?= python3
STATE  ?= $(CURDIR)/.platform
PORT   ?= 3000
BIN    := .venv/bin
READY  := .venv/ready
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# uv installs the same in a tenth of the time; it has its own names for what pip may have been told about the network.
# Compiled once, for where PYTHONDONTWRITEBYTECODE is set each process compiles 3,000 modules anew: 12 s of CPU with dbt.
UV     := env $(if $(PIP_INDEX_URL),UV_DEFAULT_INDEX=$(PIP_INDEX_URL)) $(if $(PIP_EXTRA_INDEX_URL),UV_INDEX="$(PIP_EXTRA_INDEX_URL)") \
          $(if $(PIP_FIND_LINKS),UV_FIND_LINKS="$(PIP_FIND_LINKS)") $(if $(PIP_CERT),SSL_CERT_FILE=$(PIP_CERT)) \
          $(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python
# A script starts what it puts in the background with SIGINT ignored, and Dagster then ignores SIGTERM as well.
HEEDING := $(BIN)/python -c 'import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])'
# Dagster's SQLite waits for the disk at each event, so tests keep their folders in memory where there is room for them.
ROOMY  := $(shell free_kb=$$(df -Pk /dev/shm 2>/dev/null | awk 'NR == 2 {print $$4}'); [ "$${free_kb:-0}" -gt 8000000 ] && echo /dev/shm)
# Three workers on two cores: one of them waits for a server, a child or a kill most of the time.
PYTEST := $(if $(ROOMY),TMPDIR=$(ROOMY)) $(BIN)/python -m pytest --durations=20
INSTANCE := $(STATE)/dagster/dagster.yaml

demo dev: export PLATFORM_STATE := $(STATE)
demo dev: export DAGSTER_HOME := $(STATE)/dagster

.DEFAULT_GOAL := help
.PHONY: help demo dev test lanes journeys check bench snapshot clean

help:  ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort | awk -F'\t' '{printf "  make %-10s %s\n", $$1, $$2}'

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Python 3.11 or newer is needed, and $(PYTHON) is older. Fix: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 1; }
	@echo "Setting up .venv (half a minute with uv, two with pip; once)"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(PIP) -c constraints.txt uv >/dev/null 2>&1 && $(UV) -c constraints.txt -e '.[demo,dev]' || { \
	  echo "uv could not do it, so pip does"; $(PIP) --use-pep517 -c constraints.txt -e '.[demo,dev]'; }
	@touch $@

$(INSTANCE): dagster.yaml
	@mkdir -p $(@D)
	@cp $< $@

demo: $(READY) $(INSTANCE)  ## the whole graph on real input, then where to look
	@$(BIN)/platform demo

dev: $(READY) $(INSTANCE)  ## the Dagster UI, its daemon, the stream worker and the catalog on http://localhost:3000 (PORT=...)
	@exec $(HEEDING) $(BIN)/platform dev -p $(PORT)

test: $(READY)  ## all tests but the lanes and the journeys
	@$(PYTEST) -n 3 --dist loadgroup -m "not journey and not lane"

lanes: $(READY)  ## the tests that take minutes by nature
	@$(PYTEST) -n 3 --dist loadgroup -m lane $(ONLY)

journeys: $(READY)  ## a real dagster dev, a browser, S3: some ten minutes
	@$(PYTEST) -n 2 --dist loadgroup -m journey $(ONLY)

check: $(READY)  ## lint, format, import laws, types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports
	@$(BIN)/mypy

bench: $(READY)  ## benchmarks beside peers: prints ratios
	@for each in load overhead checks; do $(BIN)/python benchmarks/$$each.py || exit 1; done

snapshot: $(READY)  ## accept the asset graph as it is now
	@UPDATE_SNAPSHOTS=1 $(BIN)/python -m pytest -q tests/architecture

clean:  ## remove lake, landing folder and Dagster's history; .venv stays
	@rm -rf $(STATE)
