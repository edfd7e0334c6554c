# Everything runs in .venv, which the first target that needs it creates.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
CLASSES := $(VENV)/spark.jsa
# Tests in two processes, each file in one of them; each starts Spark on two cores. `make test WORKERS=0`: in one.
WORKERS ?= 2
SIDE_BY_SIDE := --numprocesses=$(WORKERS) --dist=loadfile --no-loadscope-reorder
# Random tests: `ci` draws few cases, the same each time; `dev` and `nightly` draw more, other ones each time.
PROFILE ?= ci
PYTEST = PALETTE_TEST_PROFILE=$(PROFILE) $(BIN)/python -m pytest
EVERYWHERE := tests dsl palette --doctest-modules

.PHONY: help venv java demo examples test test-fast parity doctest lint types fmt docs bench bench-quick proof wheel clean

help:  ## Show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

venv: $(READY)  ## Create the environment

$(READY): setup.cfg pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; set PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	PYTHONWARNINGS='ignore:Editable installation' \
		$(BIN)/python -m pip install --quiet --editable '.[spark,test,lint]' --constraint constraints.txt
	@touch $@

# Spark's classes as they are in memory: each Java that the tests start has half the work (tests/jvm.py).
$(CLASSES): $(READY) tests/warm_up.py | java
	@echo "writing $@, from which the tests' Java starts"
	@SPARK_SUBMIT_OPTS="-XX:ArchiveClassesAtExit=$(abspath $@).new -Xlog:disable" $(BIN)/python tests/warm_up.py \
		>$@.log 2>&1 || { cat $@.log; exit 1; }
	@test ! -f $@.new || mv $@.new $@  # a Java that cannot does without

java:
	@command -v java >/dev/null || test -x "$$JAVA_HOME/bin/java" || \
		{ echo "Spark needs Java 17. Install it (Debian: apt-get install openjdk-17-jre-headless), or set JAVA_HOME."; exit 1; }

demo: $(READY) java  ## Train on 336,776 real flights, score them, print what it is worth
	$(BIN)/python examples/flight_eta.py

examples: $(READY) java  ## Run every example
	@for example in examples/*_eta.py; do echo "== $$example"; $(BIN)/python $$example || exit 1; done

test-fast: $(READY)  ## Run the tests and doctests that need no Java
	JAVA_HOME=/nowhere $(PYTEST) $(EVERYWHERE) -m "not spark and not proof" $(SIDE_BY_SIDE)

test: $(READY) $(CLASSES)  ## Run all tests and doctests but the long proofs
	$(PYTEST) $(EVERYWHERE) --durations=25 $(SIDE_BY_SIDE)

parity: $(READY) java  ## Prove every DSL function equal in both compilers
	$(BIN)/python -m pytest tests/dsl

doctest: $(READY) java  ## Run the examples in docstrings and in the README
	$(BIN)/python -m pytest dsl palette tests/test_readme.py --doctest-modules

lint: $(READY)  ## Check style and words
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell
	$(BIN)/python .ci/words.py

types: $(READY)  ## Check types
	$(BIN)/mypy

fmt: $(READY)  ## Format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(READY)  ## Write docs/functions.md from the registry
	$(BIN)/python docs/functions.py

bench: $(READY) java  ## Measure against the alternatives (takes about half an hour)
	$(BIN)/python -m benchmarks

bench-quick: $(READY) java  ## Run every benchmark once, on little data
	$(BIN)/python -m benchmarks --quick

proof: PROFILE := nightly
proof: $(READY) $(CLASSES)  ## The long proofs, random tests with many cases, every benchmark once (takes hours)
	$(PYTEST) tests -m "proof or random" --durations=25
	$(MAKE) bench-quick

wheel: $(READY)  ## Build the wheel
	rm -rf build dist
	$(BIN)/python -m build --wheel

clean:  ## Remove what was made
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
