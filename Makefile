# Two commands on a fresh machine: `make demo` and `make test`. Each sets up what it needs.
# With another Python, beside the first: `make test PYTHON=python3.13 VENV=.venv-3.13`.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
MCP := $(VENV)-mcp
DEMO ?= demo-sessions
DEMO_VENV ?= .venv-demo
DEMO_READY := $(DEMO_VENV)/.ready

.PHONY: environments demo test mcp frameworks client vscode page windows proof mutations lint bench
.PHONY: schema docs screens clean

# What the targets below set up, each when it is first needed; `make --jobs 3 environments` waits for
# the downloads of all beside each other.
environments: $(READY) $(DEMO_READY) $(MCP)/.ready

$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[all]" --group dev --group frameworks --group proof
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --group without-dependencies
	touch $(READY)

# What a user needs and no more, in an environment of its own.
$(DEMO_READY): pyproject.toml
	$(PYTHON) -m venv $(DEMO_VENV)
	$(DEMO_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --editable ".[cli]"
	touch $(DEMO_READY)

# Imports the transcripts in examples/transcripts, lists them, searches, and opens what is found.
demo: $(DEMO_READY)
	$(DEMO_VENV)/bin/python examples/demo.py $(DEMO)

test: $(READY) lint mcp
	$(BIN)/python -m pytest --numprocesses 2 --dist worksteal --cov --cov-append --cov-report term

# Tests the MCP server in an environment of its own: frameworks of the other one need an older SDK.
# What it covers is added to by `make test`.
mcp: $(MCP)/.ready
	$(MCP)/bin/python -m pytest tests/mcp_server/test_serving.py --numprocesses 2 --dist worksteal --cov --cov-report= --cov-fail-under 0

$(MCP)/.ready: pyproject.toml
	$(PYTHON) -m venv $(MCP)
	$(MCP)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	$(MCP)/bin/python -m pip install --quiet --disable-pip-version-check --editable ".[cli,mcp]" --group dev
	touch $(MCP)/.ready

# Runs the frameworks' own tests over our adapters, each in an environment of its own, see
# tests/upstream/README.md; `make frameworks FRAMEWORKS="openai_agents claude_agent"` runs some.
frameworks: $(READY)
	PYTHONPATH=tests $(BIN)/python -m upstream $(FRAMEWORKS)

# Makes and tests the TypeScript client against a real service, and runs the blocks of
# docs/plugin.md; `make client CLIENT=--types` makes its types again after a change of the service.
client: $(READY)
	$(BIN)/python clients/typescript/make.py $(CLIENT)

# Checks, tests and packages the example for VS Code, which uses the client.
vscode: client
	PYTHONPATH=clients/typescript $(BIN)/python examples/vscode/make_vscode.py

# Builds the page of page/ into the package; `make page PAGE=--check` compares instead.
page: $(READY)
	$(BIN)/python page/build.py $(PAGE)

# Runs the tests in a Windows Python under Wine, which it sets up in .windows: those that differ by
# system in four minutes; `make windows WINDOWS=--all` runs all, WINDOWS=--proof the attacks at
# full size with their counts into docs/testing.md, WINDOWS="tests/x.py -k name" some.
windows: $(READY)
	PYTHONPATH=tests $(BIN)/python -m windows $(WINDOWS)

# Attacks the store at full size and writes what was tried into docs/testing.md. Most of the time
# they wait: for the disk, and for each other.
proof: $(READY)
	rm -rf .proof && mkdir .proof
	LOCALSESSIONS_PROOF=$(CURDIR)/.proof $(BIN)/python -m pytest tests/proof --numprocesses 5 --dist worksteal
	PYTHONPATH=tests $(BIN)/python -m proof.report .proof

# Breaks a copy of the code in each way of tests/proof/breakages.py; each has to be caught.
mutations: $(READY)
	mkdir -p .proof
	PYTHONPATH=tests $(BIN)/python -m proof.breakages .proof
	PYTHONPATH=tests $(BIN)/python -m proof.report .proof

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy --platform win32 --follow-imports silent localsessions/_system/windows.py tests/system/test_windows.py
	$(BIN)/lint-imports

# Writes docs/benchmarks.md and docs/benchmarks/; `make bench BENCH=--quick` is the short one.
bench: $(READY)
	$(BIN)/python -m benchmarks $(BENCH)
	$(BIN)/python benchmarks/watching.py
	$(BIN)/python benchmarks/streaming.py
	$(BIN)/python benchmarks/idle.py --minutes 1
	$(BIN)/python benchmarks/handover.py
	$(BIN)/python benchmarks/redaction.py
	$(BIN)/python benchmarks/transcripts.py
	$(BIN)/python benchmarks/searching.py
	$(BIN)/python benchmarks/growing.py
	$(BIN)/python benchmarks/serving.py $(filter --quick,$(BENCH))
	$(BIN)/python benchmarks/page.py $(filter --quick,$(BENCH))
	$(BIN)/python benchmarks/starting.py
	$(BIN)/python benchmarks/postgres.py $(filter --quick,$(BENCH))

# Makes the JSON Schema again after a change of the models; a test holds it.
schema: $(READY)
	$(BIN)/python docs/make_schema.py

# Draws docs/screens again: what a person sees at a terminal and, from the test of a newcomer, on
# the page.
screens: $(READY)
	$(BIN)/python docs/make_screens.py
	$(BIN)/python -m pytest tests/browser/test_newcomer.py
	cp .screens/page.png docs/screens/page.png

# Makes docs/reference.md again after a change of a public name or its docstring; a test holds it.
docs: $(READY)
	$(BIN)/python docs/make_reference.py

clean:
	rm -rf $(VENV) $(DEMO_VENV) $(MCP) $(DEMO) .frameworks
