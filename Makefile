# The one vocabulary of commands: people, hooks and CI call these targets.
PILOT ?= flights
REGISTRY ?= 127.0.0.1:5000
IMAGE ?= $(REGISTRY)/tremplin/serving:dev
BASE_IMAGE ?= $(REGISTRY)/tremplin/serving-base:dev
# Whose pages and releases are shown: the demo's once it has run, else the checkout's (WORKSPACE=.).
WORKSPACE ?= $(if $(wildcard .tremplin/demo/pilots),demo,.)
# The interpreter to make .venv with; empty: the first of python3.13, 3.12, 3.11 and python3 that fits.
PYTHON ?=
BIN := .venv/bin
# Tests that train many models, make many pilots or break real things: beside `make test`, so that it stays short.
GATES := tests/gates/test_whole.py $(wildcard tests/pipelines/test_gate_*.py) tests/pipelines/test_judging.py \
	tests/monitoring/test_backtest.py tests/commands/test_waves.py tests/commands/test_reproduce.py tests/commands/test_new.py \
	tests/commands/test_amounts.py tests/pipelines/test_availability.py tests/pipelines/test_remaking.py \
	tests/monitoring/test_fairness.py tests/monitoring/test_amounts.py tests/pilots/test_support.py \
	$(wildcard tests/tremplin/test_scaffolding*.py) tests/commands/test_image.py tests/commands/test_predict.py \
	tests/serving/test_spool_faults.py tests/serving/test_inference_protocol_fuzz.py tests/serving/test_fast.py \
	tests/serving/test_slow_callers.py tests/serving/test_access_server.py tests/pipeline/test_faults.py
CODE := tremplin pipelines serving monitoring governance

.DEFAULT_GOAL := help
.PHONY: help setup demo test check check-lint check-types check-imports check-pilot check-tree check-security format serve ui bench \
	lock wheels image image-base demo-cluster test-cluster test-faults test-gates test-offline test-support clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "  PILOT=$(PILOT) IMAGE=$(IMAGE) PYTHON=$(or $(PYTHON),found on PATH) can be set on the command line"

setup: ## make .venv from the locked dependencies (once; again only when the locks change)
	@PYTHON='$(PYTHON)' bash scripts/setup.sh

demo: setup ## the whole loop on real data: train, gate, release, serve, monitor, retrain
	@$(BIN)/tremplin --pilot $(PILOT) demo

test: setup ## all tests but those of the targets test-*
	$(BIN)/pytest -n 2 --dist loadgroup --cov --cov-fail-under=0 --cov-report= --ignore=tests/cluster $(GATES:%=--ignore=%) \
		--ignore=tests/pipeline/test_interrupted_demo.py --ignore=tests/pipeline/test_power_cut.py --ignore=tests/pipeline/test_power_cut_everywhere.py \
		--ignore=tests/pipeline/test_spool_faults.py \
		--ignore=tests/pipeline/test_demo_of_support.py tests

test-gates: setup ## each bad model, each honest one, waves and backtest on real data; then the branch coverage of both
	$(BIN)/pytest -n 2 --dist loadgroup --cov --cov-append --cov-report=term-missing:skip-covered tests/gates/test_quick.py $(GATES)

test-support: setup ## the demo of support beside that of flights, in one world (about three minutes)
	$(BIN)/pytest -p no:cacheprovider --no-cov tests/pipeline/test_demo_of_support.py

test-faults: setup ## flows and workers killed at each moment that matters, the demo stopped, the database away (an hour)
	$(BIN)/pytest -p no:cacheprovider --no-cov tests/pipeline/test_power_cut.py tests/pipeline/test_power_cut_everywhere.py tests/pipeline/test_interrupted_demo.py \
		tests/pipeline/test_spool_faults.py

test-offline: setup ## the demo with no network at all (Linux; root, or user namespaces)
	@bash scripts/offline.sh

check: check-lint check-types check-imports check-pilot check-tree check-security ## everything that can be known without running a test

check-lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

check-types: setup
	$(BIN)/mypy

check-imports: setup
	$(BIN)/lint-imports

check-pilot: setup
	@for pilot in $(notdir $(patsubst %/pilot.yaml,%,$(wildcard pilots/*/pilot.yaml))); do $(BIN)/tremplin --pilot $$pilot check || exit 1; done

check-tree: setup
	$(BIN)/python scripts/check_tree.py

# Bandit from medium severity on: what is below are ruff's rules S, whose exceptions say why.
check-security: setup
	$(BIN)/bandit -q -ll -r $(CODE)
	@$(BIN)/python scripts/audit.py

format: setup ## format and repair what ruff can
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

serve: setup ## serve what is live over HTTP
	@$(BIN)/tremplin --pilot $(PILOT) --workspace $(WORKSPACE) serve

ui: setup ## open the pages of MLflow and Prefect
	@$(BIN)/tremplin --pilot $(PILOT) --workspace $(WORKSPACE) ui

bench: setup ## measure the pipeline against a plain script
	@$(BIN)/python -m benchmarks.pipeline

# Read from the ranges in pyproject.toml; versions already in the locks stay unless UPGRADE=1.
COMPILE = uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header $(if $(UPGRADE),--upgrade)
LOCK = $(COMPILE) pyproject.toml
lock: ## resolve the dependencies again into locks/ (needs uv; UPGRADE=1 takes newer versions)
	$(LOCK) --extra serving --extra pipeline --group dev -o locks/dev.txt
	$(LOCK) --no-annotate --extra serving -c locks/dev.txt -o locks/serving.txt
	@# The server loads LightGBM's library alone, of the version that trains; its Python would bring scikit-learn and SciPy.
	echo lightgbm | $(COMPILE) --no-annotate --no-deps -c locks/dev.txt - -o locks/serving-bare.txt
	@if grep -nE '^ *--|://' locks/*.txt | grep -v -- '--hash='; then echo 'lock: an address or an option got into locks/: remove it' >&2; exit 1; fi

wheels: setup ## fill wheels/: what the server's image installs, and the project
	@$(BIN)/python scripts/wheels.py

image-base: wheels ## build the server without a model and push it (Docker; BASE_IMAGE=...)
	@BASE_IMAGE='$(BASE_IMAGE)' bash k8s/image-base.sh

image: image-base ## put the releases that are live on it and push that (IMAGE=...)
	@$(BIN)/tremplin --pilot $(PILOT) --workspace $(WORKSPACE) image --base '$(BASE_IMAGE)' --to '$(IMAGE)'

demo-cluster: image-base ## ship the released model to the cluster KUBECONFIG points to, compare its answers with the local ones
	@BASE_IMAGE='$(BASE_IMAGE)' IMAGE='$(IMAGE)' PILOT='$(PILOT)' bash k8s/demo.sh

test-cluster: wheels ## the tests that need a cluster (KUBECONFIG)
	$(BIN)/pytest tests/cluster -p no:cacheprovider --no-cov

clean: ## remove build products, caches and .tremplin (runs, models, demo); keeps .venv
	rm -rf .tremplin wheels build dist *.egg-info .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
