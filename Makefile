# `make help` lists what there is to do.

PYTHON ?= python3.11
PYTHON_LOCALSTACK ?= python3.13
STAGE ?= dev
ENDPOINT ?=
UV_VERSION := 0.13.9

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

BIN := .venv/bin
RUN := $(BIN)/python
READY := .venv/.ready
EMULATOR_READY := .venv-emulator/.ready
LOCALSTACK_READY := .venv-localstack/.ready
# The tests of a file share what is costly to make.
PARALLEL := --numprocesses=auto --dist=loadfile
# What needs no emulator, and how much of the product it has to reach.
IN_PROCESS := $(PARALLEL) --cov=chalicelib --cov-branch --cov-fail-under=92 tests/unit tests/integration
SOURCES := app.py chalicelib infra localstack tests

# Both installers wait for a slow network and try again.
export PIP_DEFAULT_TIMEOUT ?= 60
export PIP_RETRIES ?= 10
export PIP_DISABLE_PIP_VERSION_CHECK ?= 1
export UV_HTTP_TIMEOUT ?= 120
export UV_HTTP_RETRIES ?= 10
# The environments name their Python themselves: one that happens to be active must not be changed.
unexport VIRTUAL_ENV PYTHONHOME PYTHONPATH

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(READY) $(EMULATOR_READY) ## Make both virtual environments (.venv, .venv-emulator); PYTHON=... names another python3.11
	@echo "Ready: .venv and .venv-emulator are as the requirements say."

.venv/bin/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null || \
		{ echo "Python 3.11 is needed and '$(PYTHON)' is not it: install it, or say PYTHON=/path/to/python3.11." >&2; exit 1; }
	@echo "Making .venv with $$($(PYTHON) --version) and uv $(UV_VERSION) ..."
	@$(PYTHON) -m venv .venv
	@$(RUN) -m pip install --quiet "uv==$(UV_VERSION)"

$(READY): requirements-dev.txt | .venv/bin/uv
	@echo "Installing what development needs (.venv; the first time up to a minute) ..."
	@$(RUN) -m uv pip sync --quiet --require-hashes --python $(RUN) requirements-dev.txt
	@touch $@

$(EMULATOR_READY): requirements-emulator.txt | .venv/bin/uv
	@echo "Installing the emulator (.venv-emulator; the first time up to a minute) ..."
	@$(RUN) -m venv --without-pip .venv-emulator
	@$(RUN) -m uv pip sync --quiet --require-hashes --python .venv-emulator/bin/python requirements-emulator.txt
	@touch $@

# As a program's path: the named one, or one that pyenv has though no version of it is chosen.
FIND_PYTHON_LOCALSTACK = for python in '$(PYTHON_LOCALSTACK)' "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/3.13.*/bin/python; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 13))' 2>/dev/null && break; \
done || { echo "LocalStack without Docker needs Python 3.13 and '$(PYTHON_LOCALSTACK)' is not it: install it, or say PYTHON_LOCALSTACK=/path/to/python3.13." >&2; exit 1; }

.PHONY: python-localstack
python-localstack:
	@$(FIND_PYTHON_LOCALSTACK); echo "$$python"

$(LOCALSTACK_READY): requirements-localstack.txt | .venv/bin/uv
	@$(FIND_PYTHON_LOCALSTACK); \
		echo "Installing LocalStack (.venv-localstack; the first time about a minute) ..."; \
		"$$python" -m venv --without-pip --clear .venv-localstack
	@$(RUN) -m uv pip sync --quiet --require-hashes --python .venv-localstack/bin/python requirements-localstack.txt
	@touch $@

.PHONY: setup-localstack
setup-localstack: $(READY) $(LOCALSTACK_READY) ## Make the environment of LocalStack without Docker; PYTHON_LOCALSTACK=... names another python3.13

.PHONY: run
run: $(READY) $(EMULATOR_READY) ## Run everything on this machine: API, workers, mails (no Docker, no AWS account)
	@exec $(RUN) -m localstack.run

.PHONY: localstack
localstack: $(READY) ## The same on LocalStack: in Docker where there is an engine, without it elsewhere
	@emulator=$$($(RUN) -m localstack.choice) || exit 1; \
		if [ "$$emulator" = localstack ]; then $(MAKE) setup-localstack || exit 1; fi; \
		exec $(RUN) -m localstack.run --emulator "$$emulator"

.PHONY: mails
mails: $(READY) ## List the mails that were sent here; ID=1 shows the newest, ID=2 the one before it
	@$(RUN) -m localstack.mailbox $(if $(ID),show '$(ID)',list)

.PHONY: top
top: $(READY) ## Draw what goes in and out, live; of `make run`, or of STAGE=... at ENDPOINT=http://... (ENDPOINT=aws for AWS)
	@$(RUN) -m infra.manage --stack-name 'vestnik-$(STAGE)' $(if $(filter aws,$(ENDPOINT)),,--endpoint-url '$(or $(ENDPOINT),http://127.0.0.1:4566)') top

.PHONY: package
package: $(READY) ## Build what is deployed; STAGE=dev
	@$(RUN) -m infra.package --stage '$(STAGE)'

.PHONY: deploy
deploy: package ## Deploy by CloudFormation to AWS, or to an emulator at ENDPOINT=http://...; STAGE=dev, YES=1, DRY=1 only shows
	@$(RUN) -m infra.deploy --stage '$(STAGE)' $(if $(ENDPOINT),--endpoint-url '$(ENDPOINT)') $(if $(DRY),--dry-run) $(if $(YES),--yes) $(if $(ADOPT),--adopt '$(ADOPT)')

.PHONY: destroy
destroy: $(READY) ## Delete a deployed stack, after a question; tables and secrets stay unless DATA=1; STAGE=dev, ENDPOINT=..., YES=1
	@$(RUN) -m infra.destroy --stage '$(STAGE)' $(if $(ENDPOINT),--endpoint-url '$(ENDPOINT)') $(if $(DATA),--data) $(if $(YES),--yes)

.PHONY: test
test: $(READY) $(EMULATOR_READY) ## Run every quick test: unit, integration, end to end, in a browser, fuzzed
	@$(RUN) -m pytest $(IN_PROCESS)
	@$(RUN) -m pytest $(PARALLEL) --no-loadscope-reorder tests/e2e tests/browser
	@$(RUN) -m pytest tests/fuzz

.PHONY: test-localstack
test-localstack: $(READY) $(LOCALSTACK_READY) ## Run the end-to-end tests on LocalStack without Docker; PART=1/3 a third of them
	@EMULATOR=localstack E2E_PART='$(or $(PART),1/1)' $(RUN) -m pytest tests/e2e

.PHONY: chaos
chaos: $(READY) $(EMULATOR_READY) ## Deliver 2,000 mails while processes die and AWS fails; SEED=... repeats a run's faults
	@$(if $(SEED),SEED='$(SEED)') $(RUN) -m pytest -s tests/chaos

.PHONY: bench
bench: $(READY) $(EMULATOR_READY) ## Measure the speed, write docs/performance.md; ONLY=imports runs a part, BENCH_QUICK=1 small sizes
	@$(RUN) -m tests.bench $(if $(ONLY),--only '$(ONLY)') $(if $(BENCH_QUICK),--quick) $(if $(OUT),--out '$(OUT)')

.PHONY: lint
lint: $(READY) ## Check format, style, types and layers
	$(RUN) -m ruff format --check $(SOURCES)
	$(RUN) -m ruff check $(SOURCES)
	$(RUN) -m mypy --strict
	$(BIN)/lint-imports

.PHONY: check
check: lint ## The same, and run the tests of tests/unit and tests/integration with coverage
	$(RUN) -m pytest $(IN_PROCESS)

.PHONY: faults
faults: $(READY) ## Prove call by call that nothing is lost or sent twice; SEED=1 PAIRS=300 draw pairs of faults, PART=1/8 an eighth
	@SEED='$(or $(SEED),1)' PAIRS='$(or $(PAIRS),300)' PART='$(or $(PART),1/1)' $(RUN) -m pytest tests/faults

.PHONY: faults-nightly
faults-nightly: ## The same with 20,000 pairs of faults, drawn anew; prints the seed
	@$(MAKE) faults PAIRS='$(or $(PAIRS),20000)' SEED='$(or $(SEED),$(shell date +%s))'

.PHONY: mutants
mutants: $(READY) ## Break the product on purpose, one place at a time: `make faults` has to turn red; ONLY=part of a name
	@$(RUN) -m tests.faults.mutants $(if $(ONLY),'$(ONLY)')

.PHONY: format
format: $(READY) ## Format the code and mend what can be mended
	@$(RUN) -m ruff check --fix $(SOURCES)
	@$(RUN) -m ruff format $(SOURCES)

.PHONY: lock
lock: .venv/bin/uv ## Pin requirements*.txt anew from requirements*.in; UPGRADE=1 takes the newest versions
	@for name in requirements requirements-dev requirements-emulator requirements-localstack; do \
		echo "Pinning $$name.txt ..."; \
		case $$name in *-localstack) version=3.13;; *) version=3.11;; esac; \
		$(RUN) -m uv pip compile --quiet --generate-hashes --no-header --python-version $$version \
			$(if $(UPGRADE),--upgrade) $$name.in --output-file $$name.txt || exit 1; \
	done

.PHONY: openapi
openapi: $(READY) ## Write docs/openapi.json and the reference in docs/api.md anew, after a change of the API
	@$(RUN) -m chalicelib.api.openapi > docs/openapi.json
	@$(RUN) -m infra.api_reference

.PHONY: openapi-release
openapi-release: openapi ## Make the present schema the one that no later change may break
	@cp docs/openapi.json docs/openapi.released.json

.PHONY: words
words: $(READY) ## Read the panel's words out of the code and compile its catalogues
	@$(RUN) -m infra.words

.PHONY: browser-libraries
browser-libraries: $(READY) ## Fetch Swagger UI and Redoc anew, from npm packages, as infra/browser_libraries.py names them
	@$(RUN) -m infra.browser_libraries

.PHONY: cost
cost: $(READY) ## Count what a dispatch costs, beside its limits and in money; writes docs/costs.md
	@$(RUN) -m tests.cost.report

.PHONY: screenshots
screenshots: $(READY) $(EMULATOR_READY) ## Take the pictures of the panel anew (docs/panel/), from an emulator with things to look at
	@$(RUN) -m tests.browser.screenshots

.PHONY: clean
clean: ## Remove what is built and cached; environments (.venv*) and data (.local) stay
	@rm -rf build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .coverage .coverage.*
	@find $(SOURCES) -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: clean-data
clean-data: ## Remove .local: every table, queue, mail and password of `make run`
	@rm -rf .local
	@echo "Removed .local: tables, queues, mails and passwords of this machine's Vestnik."
