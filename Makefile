# Copyright (c) rpstn_mmpose contributors. All rights reserved.
# Options: PYTHON_BASE=/path/to/python (3.11 to 3.13) for the set-up, and
# TORCH_BACKEND=cpu, cu126, ... or auto (uv's --torch-backend; default: the
# build of torch that the package index serves).
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
PYTHON := $(VENV)/bin/python
# More threads than this slow small models down.
OMP_NUM_THREADS ?= $(shell n=$$(nproc 2>/dev/null || echo 1); \
	echo $$(( n < 4 ? n : 4 )))
# How long a thread spins while it waits for the others. By default so long
# that a training becomes several times slower when anything else wants a
# core; at 0 a training on idle cores loses a quarter.
GOMP_SPINCOUNT ?= 2000
# Processes that run the tests; each has a single thread.
TEST_PROCESSES ?= $(shell n=$$(nproc 2>/dev/null || echo 1); \
	echo $$(( n < 8 ? n : 8 )))
export OMP_NUM_THREADS GOMP_SPINCOUNT PYTHON_BASE TORCH_BACKEND

.PHONY: help setup test demo lint clean

help: ## List the targets
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) \
		| sed -E 's/^([a-z]+):.*## (.*)/make \1\t\2/' | expand -t 14

setup: ## Make .venv with the tested stack (the first time some minutes)
	@tools/setup_env.sh $(VENV)

test: setup lint ## Run ruff, mypy and all tests
	@OMP_NUM_THREADS=1 $(PYTHON) -m pytest -n $(TEST_PROCESSES) \
		--dist worksteal

demo: setup ## Train on generated videos, draw the results, find poses in a video
	@$(PYTHON) tools/quick_start.py --out work_dirs/demo

lint: setup ## Check style and types
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check --quiet .
	@$(PYTHON) -m mypy

clean: ## Remove what builds and tests leave; .venv and work_dirs stay
	@rm -rf build dist *.egg-info .pytest_cache .ruff_cache
	@find . -path ./$(VENV) -prune -o -path ./.git -prune \
		-o -name __pycache__ -type d -print0 | xargs -0 rm -rf
