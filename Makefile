# The verbs of this project. Needs Python 3.11, 3.12 or 3.13 with pip, and make; everything else lands in .uv and .venv.

UV_VERSION := 0.13.9
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
LABEL_STUDIO_VERSION := 1.23.2
LABEL_STUDIO_PORT ?= 8080
# Two files at a time, each process with a Postgres of its own; the longest, acceptance, comes first by its name.
SIDE_BY_SIDE := -n 2 --dist loadfile --no-loadscope-reorder

# Nothing is written outside this folder: uv, its cache and the environment are thrown away with it.
export UV_CACHE_DIR ?= $(CURDIR)/.uv/cache
export UV_COMPILE_BYTECODE = 1
export UV_PYTHON_DOWNLOADS = never
export UV_NO_PROGRESS = 1
# The machine's own certificates, where it has any: a company's proxy is in there.
ifneq ($(wildcard /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/cert.pem),)
export UV_SYSTEM_CERTS ?= 1
endif

.DEFAULT_GOAL := help
.PHONY: help setup demo up test browser check bench chaos docs vendor label-studio lint

help: ## list the verbs
	@echo 'make VERB [ARGS="..."]'
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  \1	\2/' | expand -t 16

setup: $(VENV)/.ready ## install everything into .venv, from the lock

demo: setup ## watch the loop close on real input; ARGS=--exit stops at the end
	@$(BIN)/feedback demo $(ARGS)

up: setup ## run API, stream, Dagster and an embedded Postgres until Ctrl-C
	@$(BIN)/feedback up $(ARGS)

test: setup ## run the tests, the loop itself included
	@$(BIN)/pytest $(SIDE_BY_SIDE) -m 'not chaos and not browser and not trainer' $(ARGS)

browser: setup ## test the pages in a headless chromium; where there is none, that is told
	@$(BIN)/pytest $(SIDE_BY_SIDE) -m 'browser and not chaos' -rs $(ARGS)

check: setup lint ## what CI runs: linters, types, layers, tests, those in a browser too
	@$(BIN)/pytest $(SIDE_BY_SIDE) $(ARGS)

bench: setup ## measure; ARGS="ingest --json" chooses what
	@$(BIN)/python -m benchmarks $(ARGS)

chaos: setup ## kill processes and count what was acknowledged
	@$(BIN)/pytest -m chaos $(ARGS)
	@FEEDBACK_TEST_EXAMPLES=10000 $(BIN)/pytest tests/api/test_corpus.py -k any_json

docs: setup ## write docs/reference from the code
	@$(BIN)/python -m docs.generate

vendor: ## fetch what the pages load of others again, with npm, as its lock says
	@cd api/pages/static/vendor && npm ci --ignore-scripts --no-audit --no-fund && \
		cp node_modules/uplot/dist/uPlot.iife.min.js node_modules/uplot/dist/uPlot.min.css . && \
		cp node_modules/uplot/LICENSE uPlot.LICENSE.txt && sha256sum uPlot.* > SHA256SUMS && rm -r node_modules

label-studio: .label-studio/venv/.ready-$(LABEL_STUDIO_VERSION) ## install Label Studio beside this, and run it until Ctrl-C
	@deploy/label-studio.sh $(CURDIR)/.label-studio/data $(LABEL_STUDIO_PORT)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo
	$(BIN)/mypy

$(VENV)/.ready: .uv/bin/uv-$(UV_VERSION) pyproject.toml uv.lock
	@.uv/bin/uv sync --frozen --quiet --python "$$($(PYTHON) -c 'import sys; print(sys.executable)')"
	@touch $@

# In an environment of its own: what it needs does not go together with what this project needs.
.label-studio/venv/.ready-$(LABEL_STUDIO_VERSION): .uv/bin/uv-$(UV_VERSION)
	@echo 'installing into .label-studio (a minute) ...'
	@.uv/bin/uv venv --quiet --clear --python "$$($(PYTHON) -c 'import sys; print(sys.executable)')" .label-studio/venv
	@.uv/bin/uv pip install --quiet --python .label-studio/venv/bin/python label-studio==$(LABEL_STUDIO_VERSION)
	@touch $@

# pip alone is enough for this: no ensurepip, no virtual environment, no administrator.
.uv/bin/uv-$(UV_VERSION):
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null || \
		{ echo 'Python 3.11, 3.12 or 3.13 is needed; $(PYTHON) is "'"$$($(PYTHON) --version 2>&1 | head -n 1)"'". Say which: make $(MAKECMDGOALS) PYTHON=python3.12' >&2; exit 2; }
	@$(PYTHON) -m pip --version >/dev/null 2>&1 || \
		{ echo 'pip is needed: $(PYTHON) -m pip does not work here (on Debian and Ubuntu: apt install python3-pip).' >&2; exit 2; }
	@echo 'installing into $(VENV) (about a minute) ...'
	@$(PYTHON) -m pip install -qq --disable-pip-version-check --no-cache-dir --root-user-action=ignore --upgrade --target .uv uv==$(UV_VERSION)
	@touch $@
