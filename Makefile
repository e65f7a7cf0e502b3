# Every target makes .venv by itself when it is missing or older than what it is made from.

PYTHON ?= python3
PROFILE ?= quick
ARGS ?=
STAMP := .venv/.installed
TOOLS := .venv/.installed-tools

.DEFAULT_GOAL := help
.PHONY: help report record test lab lint bench clean

help:  ## show this list
	@echo "make TARGET [PROFILE=quick] [ARGS='more arguments'] [PYTHON=python3.11]"
	@sed -n 's/^\([a-z]*\):[^#]*## */\1	/p' $(MAKEFILE_LIST) | \
		while IFS='	' read -r target text; do printf '  %-8s %s\n' "$$target" "$$text"; done

report: $(STAMP)  ## run all experiments of a PROFILE and write reports/PROFILE/index.html
	@.venv/bin/fewshot report $(PROFILE) $(ARGS)

record: $(STAMP)  ## keep reports/PROFILE (sweeps/NAME too) in reports/reference, with weights
	@.venv/bin/python -m fewshot_lib.report.record $(PROFILE)

test: $(TOOLS)  ## run the tests
	@.venv/bin/python -m pytest $(ARGS)

lab: $(STAMP)  ## open the notebooks in JupyterLab
	@JUPYTER_PATH="$(CURDIR)/.venv/share/jupyter" JUPYTER_PREFER_ENV_PATH=1 \
		.venv/bin/python -m jupyter lab --ServerApp.ip=localhost \
		--ServerApp.root_dir="$(CURDIR)" --LabApp.default_url=/lab/tree/notebooks $(ARGS)

lint: $(TOOLS)  ## check style, the order of imports, and that notebooks carry no outputs
	@.venv/bin/python -m ruff check .
	@.venv/bin/python -m ruff format --check .
	@.venv/bin/lint-imports --no-cache --no-logo
	@.venv/bin/python .ci/no_outputs.py $(wildcard notebooks/*.ipynb)

bench: $(TOOLS)  ## measure speed; in three minutes: ARGS="-m 'not slow'"
	@.venv/bin/python -m pytest -q -o addopts= tests/benchmarks --benchmark-only \
		--benchmark-columns=min,median,rounds $(ARGS)

clean:  ## remove .venv, caches and reports; trained runs (reports/runs) and reports/reference stay
	@rm -rf .venv .cache .pytest_cache .ruff_cache .benchmarks build dist ./*.egg-info
	@find . -name .git -prune -o \( -name __pycache__ -o -name .ipynb_checkpoints \) \
		-prune -exec rm -rf {} +
	@if [ -d reports ]; then find reports -mindepth 1 -maxdepth 1 \
		! -name runs ! -name reference -exec rm -rf {} +; fi

# Stamps come last: an interrupted installation is taken up again by the next make.
# pip -qq drops warnings and keeps errors.
# A .venv without a working pip (half made, or its Python is gone) is made anew.
define install
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed, for example: make PYTHON=python3.11" >&2; exit 1; }
	@echo "Installing into .venv, which takes some minutes the first time ..."
	@.venv/bin/python -m pip --version >/dev/null 2>&1 || "$(PYTHON)" -m venv --clear .venv
	@.venv/bin/python -m pip install -qq --disable-pip-version-check -c constraints.txt -e '$(1)'
endef

$(STAMP): pyproject.toml constraints.txt
	$(call install,.)
	@touch $@

$(TOOLS): pyproject.toml constraints.txt
	$(call install,.[test])
	@touch $(STAMP) $@
