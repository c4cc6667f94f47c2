# make demo       from a fresh clone to a governed model (about 7 minutes on two cores)
# make test       the quick suite        make test-slow   the rest        make bench   benchmarks
#
# pip on Linux takes PyTorch with gigabytes of CUDA unless told of PyTorch's own CPU index:
#   make demo TORCH_INDEX=https://download.pytorch.org/whl/cpu
PYTHON ?= python3
TORCH_INDEX ?=
VENV := .venv
BIN := $(VENV)/bin
INDEX := $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))

# A worker a core, each with one thread: two would wait for one another.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n logical --maxprocesses 4

.PHONY: demo test test-slow bench lint clean

demo: $(VENV)/.installed
	$(BIN)/aiops demo

test: $(VENV)/.installed-test lint
	$(PYTEST) --dist loadfile --doctest-modules

test-slow: $(VENV)/.installed-test
	$(PYTEST) --dist worksteal -m "slow and not gpu"

bench: $(VENV)/.installed-test
	$(BIN)/python -m pytest -q -m "not gpu" --override-ini "python_files=bench_*.py" -s tests/benchmarks

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'aiops needs Python 3.11 or later: make PYTHON=python3.11')"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet $(INDEX) -c constraints.txt -e .
	touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	$(BIN)/pip install --quiet $(INDEX) -c constraints.txt -e ".[test]"
	touch $@

clean:
	rm -rf $(VENV)
