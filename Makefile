# make quickstart: install, then train the quickstart experiment.
# make proof: what is too long for each change: kills at more moments.
# make test: install, fetch the examples' data (once), then lint, types and tests.
PYTHON ?= python3
BIN := .venv/bin
# PyTorch's wheels on PyPI carry CUDA on Linux; for the CPU build see README.md, "Install".

.PHONY: quickstart test proof clean

quickstart: .venv/quickstart
	$(BIN)/python train.py experiment=quickstart

test: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	-$(BIN)/mlp_torch data # where it cannot be had, tests that need it are skipped; with CI=true they fail
	$(BIN)/python -m pytest -n 2 --dist worksteal

proof: .venv/dev
	$(BIN)/python -m pytest -n 2 -m proof

.venv/bin/python:
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip

.venv/quickstart: pyproject.toml constraints.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[examples,trees,serve]'
	touch $@

.venv/dev: pyproject.toml constraints.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[examples,trees,serve,onnx,dev]'
	touch $@ .venv/quickstart

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache
