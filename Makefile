# Each target sets up .venv itself when it is missing or older than the lock file.
PYTHON ?= python3
# Where to get torch, such as `--index-url URL` for a small CPU build; see the README.
TORCH_PIP_ARGS ?=
BIN := .venv/bin
# Keep compiled modules, even where the environment says otherwise: without them every start compiles 230 of them anew.
export PYTHONDONTWRITEBYTECODE =

.PHONY: setup demo run test suites soak lint bench servers deploy-check settings-page wheel clean

setup: .venv/.ready

# No bytecode ahead of use: compiling all of torch takes half a minute, and little of it is ever run.
.venv/.ready: requirements.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --no-compile --quiet --disable-pip-version-check torch==2.13.0 $(TORCH_PIP_ARGS)
	$(BIN)/pip install --no-compile --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/pip install --no-compile --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	$(BIN)/helpdesk-daemon model export --prepared
	touch $@

demo: setup
	$(BIN)/helpdesk-daemon demo

run: setup
	$(BIN)/helpdesk-daemon run

# Dovecot and Chromium for the tests: installed where we may, asked for where we may not.
servers:
	@{ command -v dovecot && command -v chromium; } >/dev/null || { test "$$(id -u)" = 0 && apt-get update -qq && \
	  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq dovecot-imapd chromium >/dev/null; } || \
	  { echo "The tests need Dovecot and Chromium: install dovecot-imapd and chromium" >&2; exit 1; }

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Side by side, as the type checker is busy on one core for most of a minute.
test: setup servers
	@$(MAKE) --no-print-directory --jobs 2 lint suites

suites: setup servers
	$(BIN)/python -m pytest -n 3 --dist loadscope --no-loadscope-reorder -m "not soak"

soak: setup servers
	$(BIN)/python -m pytest -m soak --timeout 7200

bench: setup servers
	$(BIN)/python -m scripts.bench $(ARGS)

# What needs the tools of systemd and Prometheus; `make test` checks the rest of deploy/.
deploy-check: setup
	mkdir -p build
	sed 's|/opt/helpdesk/bin|$(CURDIR)/$(BIN)|' deploy/helpdesk-daemon.service > build/helpdesk-daemon.service
	systemd-analyze verify build/helpdesk-daemon.service
	systemd-analyze security --offline=yes --threshold=30 build/helpdesk-daemon.service
	promtool check rules deploy/prometheus-rules.yml
	promtool test rules deploy/prometheus-rules.test.yml

settings-page: setup
	$(BIN)/python -m scripts.settings_page

wheel: setup
	$(BIN)/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .

clean:
	rm -rf .venv dist build .mypy_cache .ruff_cache .hypothesis
