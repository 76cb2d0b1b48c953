# vigia: two commands are all it takes on a fresh machine.
#   make run                    eight demo cameras, the FindFace stand-in, everything in between
#   make run ARGS="--duration 60 --json"
#   make test                   the whole test suite
# Others: make check (lint, types, layers, house rules), make bench (every claim of speed, beside its
# baseline: 24 minutes; QUICK=1 for a first look, ARGS="throughput paced" for some of it), make lock, make clean.

VENV ?= .venv
PY := $(VENV)/bin/python
READY := $(VENV)/.ready
ARGS ?=
QUICK ?=
# YuNet weights that lie beside the checkout, for the benchmarks; without them they use the models that are there.
WEIGHTS ?= $(wildcard ../shared/models)
# Sequences that lie beside the checkout, for the trackers; without them only the generator's are measured.
TRACKS ?= $(wildcard ../shared/data/tracks)

.PHONY: run test check lint lock bench clean setup packages

run: $(READY)
	$(PY) -m vigia demo $(ARGS)

test: $(READY)
	$(PY) -m pytest -n 2 --dist loadfile --no-loadscope-reorder --cov --cov-report= $(ARGS)
	$(PY) scripts/coverage_gate.py

check: $(READY)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(PY) scripts/house_rules.py

lint: check

bench: $(READY)
	$(PY) -m vigia bench $(if $(QUICK),--quick) $(if $(WEIGHTS),--weights $(WEIGHTS)) \
	  $(if $(TRACKS),--tracks $(TRACKS)) $(ARGS)

# Debian packages that some tests use (a real RTSP server, PostgreSQL; Chromium later); needs root.
packages:
	scripts/packages.sh

setup: $(READY)

$(READY): requirements/lock.txt requirements/offline-model.txt requirements/tracking-peers.txt pyproject.toml scripts/setup.sh
	scripts/setup.sh $(VENV)
	touch $(READY)

# New versions: edit pyproject.toml, run this, read the difference. Hashes only, no index addresses.
lock: $(READY)
	$(PY) scripts/lock.py

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .coverage .hypothesis
