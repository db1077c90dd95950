# Everything sets itself up: the first target run on a bare machine installs uv beside the project.
UV := $(shell command -v uv 2>/dev/null || echo .uv/bin/uv)
RUN := $(UV) run --locked
PACKAGES := graph nodes tools mcp_servers api evals

.PHONY: help setup demo test check bench eval picture format clean
help: ## Show the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

.uv/bin/uv:
	python3 -m venv .uv
	.uv/bin/pip install --quiet uv

setup: $(filter .uv/bin/uv,$(UV)) ## Install uv if it is missing, and the locked environment
	$(UV) sync --locked --quiet --compile-bytecode

demo: setup ## Improve a real data product; asks before it changes anything
	$(RUN) pillion demo

test: setup ## Run the tests
	$(RUN) python -m compileall -q $(PACKAGES)
	$(RUN) pytest -n 2 --dist loadgroup

check: setup ## Lint, types, import contracts
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) mypy
	$(RUN) lint-imports

bench: setup ## Measure every claim and write docs/benchmarks.md
	$(RUN) python -m evals.benchmarks

eval: setup ## Judge the suggestions on products with known answers; fails on a significant loss
	$(RUN) pillion eval run --suite smoke --gate

picture: setup ## Draw the README's picture from a real run
	$(RUN) python -m docs.picture

format: setup ## Format the code
	$(RUN) ruff format .
	$(RUN) ruff check --fix .

clean: ## Remove the environment, caches and demo state
	rm -rf .venv .uv .node .pillion .mypy_cache .ruff_cache .pytest_cache .hypothesis
