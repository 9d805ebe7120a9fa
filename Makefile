# Everything starts here: make demo, make test, make check, make ui. Needs Python 3.11 or newer and a package index.
PYTHON ?= python3
VENV   ?= .venv
EXTRAS ?=
BIN    := $(VENV)/bin
comma  := ,
WANTED := dev$(if $(EXTRAS),$(comma)$(EXTRAS))
STAMP  := $(VENV)/.installed-$(subst $(comma),-,$(WANTED))
TESTS  ?= tests

# uv reads its own variables; hand it what is configured for pip.
export UV_FIND_LINKS ?= $(PIP_FIND_LINKS)
ifdef PIP_INDEX_URL
export UV_DEFAULT_INDEX ?= $(PIP_INDEX_URL)
endif

.PHONY: demo test soak check ui setup clean
.DEFAULT_GOAL := demo

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; say make PYTHON=/path/to/python3.11"; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@command -v uv >/dev/null || $(BIN)/python -m pip install --quiet -c constraints.txt uv || true
	@UV=$$(command -v uv || echo $(BIN)/uv); \
	if test -x "$$UV" && "$$UV" pip install --quiet --compile-bytecode --python $(BIN)/python -c constraints.txt -e '.[$(WANTED)]'; then :; else \
	  echo "uv could not install; falling back to pip, which takes minutes"; \
	  $(BIN)/python -m pip install --quiet -c constraints.txt -e '.[$(WANTED)]'; fi
	@$(BIN)/python -m tasks.templates
	@touch $@

setup: $(STAMP)

demo: $(STAMP)
	@$(BIN)/touchstone demo

test: $(STAMP)
	$(BIN)/python -m pytest $(TESTS) -m "not soak" -n logical --maxprocesses 4 --dist loadfile

soak: $(STAMP)
	$(BIN)/python -m pytest $(TESTS) -m soak

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_layering.py

ui: $(STAMP)
	@$(BIN)/touchstone ui

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache build *.egg-info
