# python3.11 where it is to be had, else whatever python3 is; PYTHON=... chooses another.
PYTHON ?= $(shell python3.11 -c '' 2>/dev/null && echo python3.11 || echo python3)
# Workers get whole files, so that what a file loads is loaded once, in the order of tests/conftest.py. Three keep two
# cores busy: many tests wait for a server or for a process to end.
PYTEST_ARGS ?= -n 3 --dist loadfile --no-loadscope-reorder $(HANGING)
# What hangs outside of Python, where its own timeout cannot end it, ends with its worker.
HANGING := -o faulthandler_timeout=600 -o faulthandler_exit_on_timeout=true --max-worker-restart 1

BIN := .venv/bin
# Its time tells whether .venv is what pyproject.toml and constraints.txt ask for.
STAMP := .venv/.complete

.DEFAULT_GOAL := help
.PHONY: help demo test quick browser gpu nightly lint bench reference docs clean

help:  ## show this list
	@sed -n 's/^\([a-z]*\):.*  ## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

demo: $(STAMP)  ## make an image in four steps on the CPU, with no network
	@$(BIN)/tcdflow experiment=quickstart

test: $(STAMP)  ## run the tests; PYTEST_ARGS='-k vocabulary' picks some
	$(BIN)/python -m pytest $(PYTEST_ARGS)

quick: $(STAMP)  ## run the tests that need no torch
	$(BIN)/python -m pytest $(PYTEST_ARGS) tests/quick

browser: $(STAMP)  ## run the tests that drive Chromium
	$(BIN)/python -m pytest $(PYTEST_ARGS) -m browser tests/browser

# GPU_PYTHON=python3 takes a Python that has what is needed already, where there is no network to set up .venv with; it
# needs none of pytest's plug-ins. GPU_ARGS are pytest's own. The benchmark runs whatever the tests say, and make fails
# if they did.
gpu: $(if $(GPU_PYTHON),,$(STAMP))  ## run the tests and benchmarks of a GPU; without one the tests on a stand-in
	python=$(or $(GPU_PYTHON),$(BIN)/python); card=$$($$python -m tests.standins.card) || exit 1; \
	PYTHONPATH="$${card:+$$card:}$$PYTHONPATH" $$python -m pytest -o addopts= -ra -m gpu $(GPU_ARGS) tests/gpu; failed=$$?; \
	$$python -m tests.benchmarks gpu && exit $$failed

nightly: $(STAMP)  ## run all tests, long-running ones too, with many more examples of each property
	HYPOTHESIS_PROFILE=nightly PYTEST_TIMEOUT=0 $(BIN)/python -m pytest $(PYTEST_ARGS) -o faulthandler_timeout=0 -m ''

lint: $(STAMP)  ## check style, format and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

bench: $(STAMP)  ## time tcdflow against hand-written diffusers scripts
	$(BIN)/python -m tests.benchmarks

reference: $(STAMP)  ## write docs/keys.md and conf/.schema/, after a change to keys or parts
	$(BIN)/python docs/make_reference.py

docs: $(STAMP)  ## make the site of the documentation, docs/_build/index.html, with no network
	@$(BIN)/python docs/make_site.py && echo docs/_build/index.html

clean:  ## remove .venv, caches and builds; outputs/ stays
	rm -rf .venv dist build docs/_build .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A .venv without its stamp was never finished: it is made again. One with an old stamp is brought up to date in
# place, and loses the stamp meanwhile. So whatever interrupts a set-up, the next `make` redoes it.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(None if v >= (3, 11) else \
	    "tcdflow needs Python 3.11 or newer, and $(PYTHON) is %d.%d; name another: make PYTHON=python3.12" % v[:2])'
	@echo "Setting up .venv (once; some minutes)"
	@if [ -e $@ ]; then rm $@; else $(PYTHON) -m venv --clear .venv; fi
	@$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@
