# Two commands on a bare machine: `make demo` and `make test`. Each prepares .venv by itself, once.
PY := .venv/bin/python
STAMP := .venv/.installed

.PHONY: demo test check docs clean help

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

$(STAMP): pyproject.toml constraints.txt scripts/bootstrap.sh
	sh scripts/bootstrap.sh

demo: $(STAMP) ## the main job, end to end; leaves a report in demo-out/
	.venv/bin/burnish demo --out demo-out

test: $(STAMP) ## every test
	$(PY) -m pytest

check: $(STAMP) ## lint, types, import contracts, docs build
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	.venv/bin/lint-imports
	$(PY) -m mkdocs build --strict --quiet

docs: $(STAMP) ## serve the documentation on 127.0.0.1
	$(PY) -m mkdocs serve --dev-addr 127.0.0.1:8800

clean: ## remove what the targets made, the environment included
	rm -rf .venv site demo-out .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
