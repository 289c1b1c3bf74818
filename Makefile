# Each target sets up what it needs: a virtual environment VENV, the package in it, the development tools.
#   make test ARGS="-k neurons"                    arguments for the command behind the target
#   make test PYTHON=python3.12 VENV=.venv-312     another Python, in an environment of its own

VENV ?= .venv
VENV_DL ?= .venv-dl
PYTHON ?=
ARGS ?=
JOBS ?= auto

.PHONY: help setup setup-lava-dl demo test test-lava-dl quick lint format docs bench clean

help:
	@echo 'make setup   set up .venv and nothing else'
	@echo 'make demo    train, quantize, learn on chip and report, on real data'
	@echo 'make test    run the test suite, on JOBS processes (as many as there are cores)'
	@echo 'make quick   run the tests of what was edited'
	@echo 'make test-lava-dl  what needs torch: lava-dl, NIR readers, state dicts; in an environment of its own (5.5 GB)'
	@echo 'make lint    style (ruff) and types (mypy, strict)'
	@echo 'make format  lay the code out and sort its imports (ruff)'
	@echo 'make docs    write the generated pages anew'
	@echo 'make bench   run the benchmarks'
	@echo 'make clean   remove build products and caches; environments and runs/ stay'
	@echo
	@echo 'ARGS="..." is handed on; PYTHON=python3.12 VENV=.venv-312 chooses another Python.'

setup:
	@sh tools/setup.sh '$(VENV)' '$(PYTHON)'

demo: setup
	$(VENV)/bin/hypr-neuro demo $(ARGS)

test: setup
	$(VENV)/bin/python -m pytest -n $(JOBS) --dist loadscope $(ARGS)

setup-lava-dl: setup
	@sh tools/setup_lava_dl.sh '$(VENV_DL)' '$(VENV)'

test-lava-dl: setup-lava-dl
	$(VENV_DL)/bin/python -m pytest tests/files/test_netx.py tests/files/test_netx_lava_dl.py tests/files/test_netx_write.py \
		tests/files/test_netx_convolutions.py \
		tests/files/test_nir_readers.py tests/files/test_checkpoint_files.py tests/files/test_neurobench.py \
		tests/conformance/test_braille_published.py::test_lava_dl_runs_the_netx_file_with_the_simulators_spikes $(ARGS)

quick: setup
	$(VENV)/bin/python tools/quick.py -n $(JOBS) --dist loadscope $(ARGS)

lint: setup
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/python tools/typecheck.py

format: setup
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

docs: setup
	$(VENV)/bin/python tools/make_docs.py
	$(VENV)/bin/python tools/make_formats.py
	$(VENV)/bin/python tools/make_learning_memory.py

bench: setup
	$(VENV)/bin/python benchmarks/run.py $(ARGS)

clean:
	rm -rf build dist .types .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -path './.venv*' -prune -o -path ./.git -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +
