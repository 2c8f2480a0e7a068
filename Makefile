# Front door. Needs Python 3.11 or newer, make and nothing else; everything is installed into .venv.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# Most tests wait for processes of their own, so more of them run than a small machine has processors. Files in the
# order of their names, because the longest come early in it.
SIDE_BY_SIDE := --numprocesses 3 --dist loadfile --no-loadscope-reorder
# Start this service with every state it can be put into, and judge it: when it answers 202 at once, and when it
# answers what its ERP says. What does not depend on that is tried in the first mode only.
# With INBOX_URL=postgresql+psycopg://... its inbox is on that server, in a database that is emptied.
STORE  := $(if $(INBOX_URL),--inbox-url "$(INBOX_URL)")
QUEUED := $(BIN)/python -m tools.target run --second-port 8454 $(STORE) -- \
          $(BIN)/python -m conformance run https://localhost:8453 --profile reference --strict
INLINE := $(BIN)/python -m tools.target run --mode inline --folder .conformance/target-inline \
          --port 8463 --second-port 8464 --issuer http://localhost:8098 -- \
          $(BIN)/python -m conformance run https://localhost:8463 --profile reference-inline --strict \
          --folder .conformance/inline --quick $(addprefix --only ,RET IDM DEL-13 RSP-10 TIM-04)

.PHONY: serve install demo test check generate specs bench lock clean help conformance .conformance-queued .conformance-inline .conformance-proof conformance-quick conformance-tools

serve: $(VENV)/.runtime     ## start the service for a first try: https://localhost:8443
	$(BIN)/webhooks serve --dev

install: $(VENV)/.runtime   ## only make .venv/bin/webhooks

demo: $(VENV)/.development  ## a day between Tradecloud and this service on this machine, with an outage, a restart, a new key
	$(BIN)/python -m sandbox demo

test: $(VENV)/.development  ## run the tests
	$(BIN)/pytest $(SIDE_BY_SIDE)

check: $(VENV)/.development ## format, lint, types, import contracts, generated code up to date
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tools.generate --check

generate: $(VENV)/.development ## write generated/ anew from specs/
	$(BIN)/python -m tools.generate

specs: $(VENV)/.development ## what differs in Tradecloud's live contracts; options: make specs ARGS="--help"
	$(BIN)/python -m tools.specs $(ARGS)

conformance: $(VENV)/.development ## judge this service against the contract, in both modes, and prove that the suite can fail
	@$(MAKE) --no-print-directory --jobs=3 .conformance-queued .conformance-inline .conformance-proof

.conformance-queued:
	$(QUEUED) --intrusive --generated 30

.conformance-inline:
	$(INLINE)

.conformance-proof:
	nice -n 19 $(BIN)/python -m conformance prove

conformance-quick: $(VENV)/.development ## the same in under two minutes: wave 1 and a short generated phase
	$(QUEUED) --quick --generated 24

conformance-tools: $(VENV)/.development ## only install what `.venv/bin/python -m conformance` needs

bench: $(VENV)/.development ## accepted events per second, beside stock connexion
	$(BIN)/python -m bench

lock: $(VENV)/.development  ## pin the newest versions that pyproject.toml allows, with hashes
	$(BIN)/uv pip compile --quiet --universal --upgrade --python-version 3.11 --generate-hashes --no-annotate \
	  --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
	  pyproject.toml --group build -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --upgrade --python-version 3.11 --generate-hashes --no-annotate \
	  --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
	  pyproject.toml --group build --group dev -c requirements.lock -o requirements-dev.lock

clean:                      ## remove what was installed
	rm -rf $(VENV)

help:                       ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## */make \1\t/' | expand -t 24

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; name one with: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@echo "Installing into $(VENV); the first time this takes about a minute."
	@$(PYTHON) -m venv $(VENV) && $(BIN)/python -m pip --version >/dev/null || \
	  { rm -rf $(VENV); echo "Python cannot make a virtual environment; on Debian or Ubuntu: apt install python3-venv" >&2; exit 1; }

$(VENV)/.runtime: requirements.lock pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.development: requirements-dev.lock $(VENV)/.runtime
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r requirements-dev.lock
	@touch $@
