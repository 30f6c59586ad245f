# `make` alone lists the targets. `make demo` and `make test` set everything up themselves.
PYTHON ?= python3
VENV   := .venv
PY     := $(VENV)/bin/python
STAMP  := $(VENV)/.installed
CODE   := sim loadtests tests
# These measure servers, and a busy machine is what they find wrong: one after the other, when all else is done.
MEASURED := tests/bench tests/load

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export UV_LINK_MODE := copy

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo test check format bench soak lock wheel clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(STAMP) ## simulate the flagship show and say where to look
	$(VENV)/bin/liverush demo

test: $(STAMP) ## run the tests (without the long ones)
	@status=0; \
	$(PY) -m pytest -q -n auto --dist worksteal $(MEASURED:%=--ignore=%) tests || status=$$?; \
	$(PY) -m pytest -q $(MEASURED) || status=$$?; \
	exit $$status

check: $(STAMP) ## lint, format, strict types, import floors, tidiness
	$(VENV)/bin/ruff check $(CODE)
	$(VENV)/bin/ruff format --check $(CODE)
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(PY) -m pytest -q tests/test_tidy.py

format: $(STAMP) ## rewrite the code in the one format
	$(VENV)/bin/ruff check --fix-only $(CODE)
	$(VENV)/bin/ruff format $(CODE)

bench: $(STAMP) ## measure speed and memory; writes results/bench/
	$(PY) -m tests.bench

# A file of tests stays with one process: those of a file share what they try (a server, a database).
soak: $(STAMP) ## run the long tests (about 70 minutes on two cores)
	$(PY) -m pytest -q -n auto --dist loadfile --no-loadscope-reorder -m soak tests

lock: $(STAMP) ## renew requirements.lock from pyproject.toml
	$(VENV)/bin/uv pip compile -q --upgrade --universal --python-version 3.11 --extra dev --no-header --no-annotate \
		--no-emit-index-url --no-emit-find-links pyproject.toml -o requirements.lock

wheel: $(STAMP) ## build the wheel into dist/
	$(PY) -m build --wheel --no-isolation

setup: $(STAMP) ## only make the virtual environment

clean: ## remove the virtual environment, caches and build output (runs stay)
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find $(CODE) -name __pycache__ -type d -prune -exec rm -rf {} +

# uv installs the lock in a third of pip's time; where it cannot, pip does the same work. Our own bytecode is compiled
# like theirs: where Python may not write it later, every start would compile it again.
$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "LiveRush needs Python 3.11 or newer")'
	@echo "Setting up $(VENV) (once, and again when the lock changes)"
	@test -x $(PY) || $(PYTHON) -m venv $(VENV)
	@$(PY) -m pip install -q --no-deps $$(sed -n 's/^\(uv==[^ ]*\).*/\1/p' requirements.lock)
	@$(VENV)/bin/uv pip install -q --python $(PY) --compile-bytecode --no-deps -r requirements.lock \
		|| $(PY) -m pip install -q --no-deps -r requirements.lock
	@$(PY) -m pip install -q --no-deps --no-build-isolation -e .
	@$(PY) -m compileall -q -j 0 sim loadtests
	@touch $@
