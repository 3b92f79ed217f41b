# `make screen` on a bare Debian/Ubuntu with Python 3.11+: installs into .venv once, then screens.
PYTHON ?= python3
# Not the one thread of a process that OMP_NUM_THREADS may ask for, which nproc heeds.
CORES ?= $(shell env -u OMP_NUM_THREADS nproc)
BIN := .venv/bin

.PHONY: screen install gpaw test test-slow test-long check docs lock default-model clean

# flock's lock goes with its process, where Snakemake's own would outlive a killed run and bar the next one.
screen: .venv/installed
	@flock --nonblock --close --conflict-exit-code 75 .venv/screening \
	    $(BIN)/snakemake --nolock --cores $(CORES) || { \
	    status=$$?; \
	    if [ $$status = 75 ]; then echo "ionsieve: another make screen is running here" >&2; exit 75; fi; \
	    if [ ! -e results/data/catalogue.json ]; then exit $$status; fi; \
	    echo "ionsieve: the run did not finish; building a partial report from what exists" >&2; \
	    $(BIN)/snakemake --cores 1 --nolock --quiet all -- partial_report && \
	        echo "ionsieve: see results/report/partial/index.html" >&2; \
	    exit $$status; }
	@echo "ionsieve: see results/report/index.html and results/candidates.csv"

install: .venv/installed

# Exact versions; pip is told of torch first, since any other pin brings gigabytes of CUDA packages.
.venv/installed: envs/requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "ionsieve: $(PYTHON) is older than 3.11; run make PYTHON=/path/to/python3.11 screen" >&2; exit 1; }
	@$(PYTHON) -m venv .venv || { echo "ionsieve: no venv module; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@echo "ionsieve: installing into .venv (a few minutes, once)" >&2
	@$(BIN)/pip install --quiet --disable-pip-version-check -r envs/requirements.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --editable .
	@$(BIN)/python -c 'import lightgbm' 2>/dev/null || \
	    { echo "ionsieve: LightGBM does not load; on Debian: apt-get install libgomp1" >&2; exit 1; }
	@touch $@

# Two files of tests at a time, one thread each; tests of one file share what is dear to make (tests/conftest.py).
PYTEST := OMP_NUM_THREADS=1 $(BIN)/pytest -q -n 2 --dist loadfile --no-loadscope-reorder

test: .venv/installed check
	$(PYTEST)

test-slow: .venv/installed
	$(PYTEST) -m "slow and not long"

test-long: .venv/installed
	$(PYTEST) -m long

check: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/snakemake --lint

# The documentation, strictly, into site/; it opens from disk: site/index.html.
docs: .venv/installed
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# What the GPAW tier needs beside the lock; on Debian after apt-get install libxc-dev libopenblas-dev libopenmpi-dev.
GPAW := dftd3==1.7.0 gpaw==26.7.0 gpaw-data==1.2.1
gpaw: .venv/installed
	$(BIN)/pip install --disable-pip-version-check $(GPAW)

# The lock file and the conda environment with the same versions, from what is installed in .venv now.
# A local build tag (torch's "+cpu") is dropped: the lock must hold on machines with a GPU too.
lock:
	$(BIN)/pip freeze --exclude-editable | sed 's/+cpu$$//' > envs/requirements.lock
	{ echo "# The versions of requirements.lock, written by make lock; rules name this file for --sdm conda."; \
	  echo "channels: [conda-forge]"; echo "dependencies:"; echo "  - python=3.11"; echo "  - pip"; \
	  echo "  - pip:"; sed 's/^/      - /' envs/requirements.lock; } > envs/ionsieve.yaml
	{ echo "# ionsieve.yaml and what GPAW is built with and needs, written by make lock; GPAW's rules name it for --sdm conda."; \
	  echo "channels: [conda-forge]"; echo "dependencies:"; echo "  - python=3.11"; echo "  - pip"; \
	  for package in c-compiler libxc openblas openmpi; do echo "  - $$package"; done; \
	  echo "  - pip:"; sed 's/^/      - /' envs/requirements.lock; \
	  for package in $(GPAW); do echo "      - $$package"; done; } > envs/gpaw.yaml

# The models that ship with IonSieve: those of the default configuration, trained in a folder of their own.
DEFAULT_MODEL := .snakemake/default-model
default-model: .venv/installed
	mkdir -p $(DEFAULT_MODEL)
	$(BIN)/snakemake --directory $(DEFAULT_MODEL) --cores $(CORES) voltage_model composition_model
	cp $(DEFAULT_MODEL)/results/voltage/model/state.pt $(DEFAULT_MODEL)/results/voltage/model/card.json \
	    $(DEFAULT_MODEL)/results/voltage/out_of_fold.parquet ionsieve/models/voltage/
	cp $(DEFAULT_MODEL)/results/composition/model/state.pt $(DEFAULT_MODEL)/results/composition/model/card.json \
	    ionsieve/models/composition/

clean:
	rm -rf results/*
