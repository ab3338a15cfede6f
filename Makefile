# make run    the whole stack on this machine, a demonstration call, then ready for more
# make demo   the same, but ends after the call: exit status 0 if all of it was right
# make test   all tests
# make check  format, lint, types
# make faults every fault of the table, done to real processes: what callers heard of it
# make soak   the same with 10,000 dropped calls and a minute of talk after each fault: 20 minutes
# make fuzz   whatever can be sent to what reads foreign messages, a minute each, then more of each property
# make attacks every way in that is none, tried on a real edge: what each got
# make bench  load figures against the plain one-process server: twelve minutes, a report in bench/

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
FUZZ_S ?= 60

.PHONY: run demo test check faults attacks soak fuzz bench format clean

run: $(READY)
	@$(BIN)/python -m sim demo --serve

demo: $(READY)
	@$(BIN)/python -m sim demo

test: $(READY)
	@$(BIN)/python -m pytest -n 4 --dist loadfile

check: $(READY)
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

faults: $(READY)
	@$(BIN)/python -m sim faults --to faults

attacks: $(READY)
	@$(BIN)/python -m sim attacks

soak: $(READY)
	@$(BIN)/python -m sim faults --soak

fuzz: $(READY)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-fuzz.txt
	@$(BIN)/python -m tests.fuzz --seconds $(FUZZ_S)
	@$(BIN)/python -m pytest -q -n 2 -m hypothesis --hypothesis-profile fuzz -o timeout=1800

bench: $(READY)
	@$(BIN)/python -m sim load --matrix --to bench

format: $(READY)
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis

# Everything lives in .venv; the stamp is written only when all of it is there.
$(READY): requirements.txt requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Holdfast needs Python 3.11 or newer; set PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || \
		{ echo "This Python has no venv module: apt-get install python3-venv"; exit 1; }
	@echo "Setting up $(VENV) (once) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $(READY)
