# Each target sets up .venv itself when it is missing or older than the lock file.
PYTHON ?= python3
# Where to get torch, such as `--index-url URL` for a small CPU build; see the README.
TORCH_PIP_ARGS ?=
BIN := .venv/bin

.PHONY: setup demo run test soak lint bench servers wheel clean

setup: .venv/.ready

.venv/.ready: requirements.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check torch==2.13.0 $(TORCH_PIP_ARGS)
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	$(BIN)/helpdesk-daemon model export --prepared
	touch $@

demo: setup
	$(BIN)/helpdesk-daemon demo

run: setup
	$(BIN)/helpdesk-daemon run

# Dovecot for the tests: installed where we may, asked for where we may not.
servers:
	@command -v dovecot >/dev/null || { test "$$(id -u)" = 0 && apt-get update -qq && \
	  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq dovecot-imapd >/dev/null; } || \
	  { echo "The tests need Dovecot: install dovecot-imapd" >&2; exit 1; }

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint servers
	$(BIN)/python -m pytest -n 2 --dist loadscope -m "not soak"

soak: setup servers
	$(BIN)/python -m pytest -m soak --timeout 7200

bench: setup servers
	$(BIN)/python -m scripts.bench $(ARGS)

wheel: setup
	$(BIN)/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .

clean:
	rm -rf .venv dist build .mypy_cache .ruff_cache .hypothesis
