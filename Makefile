# `make help` lists what there is. Everything runs in .venv, made on first use.
.DEFAULT_GOAL := help
.PHONY: help install demo test oldest lint docs bench dashboard clean

PYTHON ?= python3
BIN := .venv/bin
# what tells whether a version is too old: a study from search to export, its journal, its lock, charts, and numerics
QUICK := tests/nas/cli/test_cli.py::test_a_study_from_search_to_export tests/nas/records/test_settings.py \
  tests/nas/storage/test_journal.py tests/nas/storage/test_journal_lock.py tests/nas/storage/test_reader.py \
  tests/nas/samplers/test_expected_improvement.py tests/nas/samplers/test_candidates.py tests/space/test_axes.py \
  tests/dashboard/test_study_cache.py tests/dashboard/test_report.py
# uv unpacks torch and its companions in parallel, pip does not; `make install INSTALL=".venv/bin/pip install"` does without it
INSTALL ?= $(BIN)/uv pip install --quiet --python $(BIN)/python

help:  ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: .venv/.installed  ## make .venv and install nas in the versions of constraints.txt
	@echo 'next: source .venv/bin/activate, then nas doctor; or make demo'

demo: .venv/.installed  ## search the digits data, print the front, export the best network, verify it
	$(BIN)/nas search digits --data digits --flops 200K..4M --trials 30 --epochs 6
	@test -d exports/digits || $(BIN)/nas export digits-200K-4M --out exports/digits
	$(BIN)/python examples/predict.py exports/digits
	@echo
	@echo 'next:'
	@echo '  make dashboard                                    the front in the browser'
	@echo '  $(BIN)/nas search digits --data digits --flops 200K..4M --trials 60 --epochs 6   30 more trials'
	@echo '  $(BIN)/nas search convnext_or_modulation_32 --data path/to/images --flops 5M..40M --trials 30   your own images'

dashboard: .venv/.installed  ## open the dashboard on the studies under runs/
	$(BIN)/nas dashboard

test: .venv/.dev  ## run the whole test suite
	$(BIN)/pytest

oldest: .venv/bin/uv  ## run quick tests with the oldest versions that pyproject.toml allows, in .venv-oldest
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv-oldest
	$(BIN)/uv pip install --quiet --python .venv-oldest/bin/python --resolution lowest-direct -e . \
	  'pytest>=8.3' 'pytest-timeout>=2.3' 'pytest-xdist>=3.8' 'hypothesis>=6.100'
	.venv-oldest/bin/python -m pytest $(QUICK)

lint: .venv/.dev  ## check format, style and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

docs: .venv/.dev  ## build the documentation as a site, which needs no network: site/index.html
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

bench: .venv/.dev  ## measure the quick ones of the performance claims in benchmarks/RESULTS.md. DATA=path/to/cifar10
	@test -n "$(DATA)" || { echo 'data must be a folder with CIFAR-10, got none; make bench DATA=path/to/cifar10' >&2; exit 2; }
	$(BIN)/python -m benchmarks.training $(DATA) --images 3000 --epochs 2 --networks 3
	$(BIN)/python -m benchmarks.compiling $(DATA)
	$(BIN)/python -m benchmarks.feeding
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.depthwise
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.drawing
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.searching
	$(BIN)/python -m benchmarks.scale
	$(BIN)/python -m benchmarks.dashboard
	$(BIN)/nas replay
	$(BIN)/python -m benchmarks.goals
	$(BIN)/python -m benchmarks.startup

clean:  ## remove .venv and caches, never runs/ or exports/
	rm -rf .venv .venv-oldest site .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info

.venv/bin/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "error: python must be 3.11 or newer, got %s; set PYTHON=" % sys.version.split()[0])'
	$(PYTHON) -m venv .venv
	@$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt uv

.venv/.installed: .venv/bin/uv pyproject.toml constraints.txt
	@echo 'installing nas and what it needs (a few minutes, mostly torch)'
	@$(BIN)/pip uninstall --quiet --quiet --yes nas  # what this project was called at first, or another project of that name
	@$(INSTALL) -c constraints.txt -e .
	@touch $@

.venv/.dev: .venv/.installed
	@$(INSTALL) -c constraints.txt -e '.[dev]'
	@touch $@
