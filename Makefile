# make demo    a network learns on an emulated microcontroller
# make test    the tests                  make check   lint, format, types, floors
# make wheel   dist/trainlet-*.whl        make clean   caches and build products
# make test-slow   tests of more than ten seconds each: integer gradients on every device, torchao's
# make test-fleet   fleets through Flower, in an environment of its own (build/fleet); RAY=1: with Ray
# make test-export   exported packages through the tools of PlatformIO, Zephyr and ESP-IDF (build/export)
# make test-explorer   figures of the explorer's page against the compiler's: SETTINGS=50
# make docs    the documentation site, into build/site; fails at a warning or a dead link
# make test-long   more cores, networks and batches than each change needs
# make test-samples   every float32 sample that torch has of the operators, against torch
# make matrix      every odd size, scheme, optimiser, gradient, core and compiler, STRENGTH=3 at a time
# make soak    random networks, the C against the oracle and torch: MINUTES=10 or NETWORKS=3000
# make mutants planted faults, each of which a test has to catch; ARGS="--only plan" for some
# make bench-int8   accuracy of int8 training on real data, 40 minutes; DATA=... the data folder
# make bench-schemes   accuracy against RAM of update schemes on real data, an hour; DATA=...
# make bench-transformers   transformers that learn on emulated cores; DATA=... the data folder
# make bench-llm    SmolLM2-135M learns a role of Shakespeare: time, memory and loss of each method
# make bench-edge   a training step in PyTorch, LiteRT, ONNX Runtime and C; LITERT=python with TensorFlow
# make bench-leakage   what attackers recover from gradients, an hour; DATA=... the data folder
# make bench-fewshot    five examples of a new class: accuracy of each method; DATA=... the data folder
# make demo-fewshot    an emulated microcontroller learns five new symbols from five drawings of each
# make bench-fleet  26 speakers learn a new microphone together, with faults; DATA=... the data folder
# make bench-life   devices that learn over days, with and without old examples and a judge; DATA=...
# make bench-mcu    instructions, RAM and Flash of the published schemes on emulated cores, 10 minutes
#
# An active virtual environment is used; otherwise .venv is made, with python3.11 or newer.
# PYTHON=...   which Python makes .venv   PIP_ARGS=...  more words for pip (a wheel folder, an index)
# JOBS=...     test processes             ARGS=...      more words for the demo or pytest

VENV := $(or $(VIRTUAL_ENV),.venv)
BIN  := $(VENV)/bin
JOBS ?= 2
STRENGTH ?= 3
DATA ?= ../shared/data

.PHONY: demo test test-slow test-long test-samples soak mutants matrix check docs wheel clean bench-int8 bench-mcu bench-llm bench-schemes \
    bench-transformers bench-edge bench-leakage bench-life bench-fewshot demo-fewshot test-explorer test-fleet fleet-env bench-fleet \
    test-export

demo: $(VENV)/.trainlet-demo
	@$(BIN)/trainlet demo $(ARGS)

demo-fewshot: $(VENV)/.trainlet-demo
	@$(BIN)/trainlet demo-fewshot $(addprefix --data ,$(wildcard $(DATA)/omniglot_105_bits.npz)) $(ARGS)

test: $(VENV)/.trainlet-test
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) -m "not slow and not long and not samples" $(ARGS)

test-slow: $(VENV)/.trainlet-test
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) -m "slow and not long" $(ARGS)

test-long: $(VENV)/.trainlet-test
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) -m long $(ARGS)

test-samples: $(VENV)/.trainlet-test
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) -m samples $(ARGS)

FLWR := flwr$(if $(RAY),[simulation])>=1.42,<1.43

# Flower's pins would change the environment of the other tests.  Its own sees their packages.
fleet-env: build/fleet/.ready$(RAY)

build/fleet/.ready$(RAY): pyproject.toml | $(VENV)/.trainlet-test
	@$(BIN)/python -m venv build/fleet
	@$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' \
	    > "$$(build/fleet/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/below.pth"
	@build/fleet/bin/python -m pip install --quiet --disable-pip-version-check $(PIP_ARGS) '$(FLWR)' \
	    || { echo "Flower cannot be installed; its tests need $(FLWR)" >&2; exit 1; }
	@touch $@

test-fleet: fleet-env
	@OMP_NUM_THREADS=1 PYTHONPATH=src:tests build/fleet/bin/python -m pytest tests/fleet/flower $(ARGS)

# The tools of the ecosystems have pins of their own, too.
build/export/.ready: pyproject.toml | $(VENV)/.trainlet-test
	@$(BIN)/python -m venv build/export
	@$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' \
	    > "$$(build/export/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/below.pth"
	@build/export/bin/python -m pip install --quiet --disable-pip-version-check $(PIP_ARGS) \
	    'platformio>=6.1' 'west>=1.2' 'idf-component-manager>=2' \
	    || { echo "the tools of the ecosystems cannot be installed; see the extra 'export'" >&2; exit 1; }
	@touch $@

test-export: build/export/.ready
	@OMP_NUM_THREADS=1 PYTHONPATH=src:tests build/export/bin/python -m pytest tests/export/tools $(ARGS)

test-explorer: $(VENV)/.trainlet-test
	@OMP_NUM_THREADS=1 TRAINLET_SETTINGS=$(or $(SETTINGS),50) $(BIN)/python -m pytest tests/explorer $(ARGS)

matrix: $(VENV)/.trainlet-test
	@OMP_NUM_THREADS=1 TRAINLET_MATRIX=$(STRENGTH) $(BIN)/python -m pytest -n $(JOBS) tests/builds $(ARGS)

soak: $(VENV)/.trainlet-test
	@OMP_NUM_THREADS=1 PYTHONPATH=src:tests $(BIN)/python -m soak.run --jobs $(JOBS) \
	    $(if $(MINUTES),--minutes $(MINUTES)) $(if $(NETWORKS),--networks $(NETWORKS)) $(ARGS)

mutants: $(VENV)/.trainlet-test
	@PYTHONPATH=src:tests $(BIN)/python -m mutants.run --jobs $(JOBS) $(ARGS)

check: $(VENV)/.trainlet-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/python -m pytest tests/test_floors.py

docs: $(VENV)/.trainlet-docs
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet $(ARGS)

wheel: $(VENV)/.trainlet-dev
	$(BIN)/python -m build --wheel --no-isolation

bench-int8: $(VENV)/.trainlet-test
	@test -d '$(DATA)' || { echo "no data folder $(DATA); say where: make bench-int8 DATA=FOLDER" \
	    "(docs/int8-accuracy.md lists its files)" >&2; exit 1; }
	@OMP_NUM_THREADS=1 $(BIN)/python benchmarks/int8_accuracy.py --data '$(DATA)' $(ARGS)

bench-schemes: $(VENV)/.trainlet-test
	@test -d '$(DATA)' || { echo "no data folder $(DATA); say where: make bench-schemes DATA=FOLDER" \
	    "(docs/schemes.md lists its files)" >&2; exit 1; }
	@OMP_NUM_THREADS=1 $(BIN)/python benchmarks/scheme_accuracy.py --data '$(DATA)' --jobs $(JOBS) $(ARGS)
	@OMP_NUM_THREADS=1 $(BIN)/python benchmarks/scheme_search.py

bench-fewshot: $(VENV)/.trainlet-test
	@test -d '$(DATA)' || { echo "no data folder $(DATA); say where: make bench-fewshot DATA=FOLDER" \
	    "(docs/few-shot.md lists its files)" >&2; exit 1; }
	@OMP_NUM_THREADS=1 $(BIN)/python benchmarks/fewshot_accuracy.py --data '$(DATA)' $(ARGS)

bench-transformers: $(VENV)/.trainlet-test
	@test -d '$(DATA)/models/stories260K' || { echo "no stories260K in $(DATA)/models; say where:" \
	    "make bench-transformers DATA=FOLDER (docs/transformers.md lists its files)" >&2; exit 1; }
	@OMP_NUM_THREADS=1 $(BIN)/python benchmarks/mcu_transformers.py --data '$(DATA)' $(ARGS)

bench-mcu: $(VENV)/.trainlet-test
	@test -d '$(DATA)/models/mcunet_int8' || { echo "no backbones in $(DATA)/models/mcunet_int8; say" \
	    "where: make bench-mcu DATA=FOLDER (docs/published-schemes.md lists its files)" >&2; exit 1; }
	@OMP_NUM_THREADS=1 $(BIN)/python benchmarks/cortex_m.py --data '$(DATA)' \
	    --smallest --json build/bench-mcu.json $(ARGS)

bench-llm: $(VENV)/.trainlet-test
	@test -f '$(DATA)/tinyshakespeare_by_speaker.jsonl.gz' || { echo "no texts in $(DATA); say where:" \
	    "make bench-llm DATA=FOLDER (docs/language-models.md lists what it needs)" >&2; exit 1; }
	@OMP_NUM_THREADS=1 $(BIN)/python benchmarks/language_model.py --data '$(DATA)' $(ARGS)

bench-life: $(VENV)/.trainlet-test
	@test -f '$(DATA)/ecg_mitbih_beats.npz' || { echo "no recordings of people in $(DATA); say where:" \
	    "make bench-life DATA=FOLDER (docs/on-the-device.md lists its files)" >&2; exit 1; }
	@OMP_NUM_THREADS=1 $(BIN)/python benchmarks/device_days.py --data '$(DATA)' $(ARGS)

bench-leakage: $(VENV)/.trainlet-test
	@test -f '$(DATA)/cifar10_jpeg.npz' || { echo "no cifar10_jpeg.npz in $(DATA); say where:" \
	    "make bench-leakage DATA=FOLDER (docs/privacy.md lists its files)" >&2; exit 1; }
	@OMP_NUM_THREADS=1 $(BIN)/python benchmarks/leakage_table.py --data '$(DATA)' $(ARGS)

bench-fleet: $(VENV)/.trainlet-test
	@test -f '$(DATA)/speech_commands_personal_16k.npz' || { echo "no clips of speakers in $(DATA); say" \
	    "where: make bench-fleet DATA=FOLDER (docs/fleet.md lists its files)" >&2; exit 1; }
	@OMP_NUM_THREADS=1 $(BIN)/python benchmarks/fleets.py --data '$(DATA)' --jobs $(JOBS) $(ARGS)

bench-edge: $(VENV)/.trainlet-test
	@OMP_NUM_THREADS=1 $(BIN)/python benchmarks/edge.py $(if $(LITERT),--litert '$(LITERT)') $(ARGS)

clean:
	rm -rf build dist .pytest_cache .ruff_cache .hypothesis
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

# One stamp a set of requirements; pyproject.toml newer than the stamp installs again.
$(VENV)/.trainlet-demo: REQUIREMENT := .[int8]
$(VENV)/.trainlet-test: REQUIREMENT := .[test]
$(VENV)/.trainlet-dev: REQUIREMENT := .[dev]
$(VENV)/.trainlet-docs: REQUIREMENT := .[docs]
$(VENV)/.trainlet-%: pyproject.toml | $(BIN)/python
	@echo "installing $(REQUIREMENT) into $(VENV) (PyTorch included: the first time takes minutes)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_ARGS) -e '$(REQUIREMENT)'
	@touch $@

$(BIN)/python:
	@for python in $(PYTHON) python3.11 python3; do \
	    if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	        echo "making $(VENV) with $$python"; \
	        $$python -m venv $(VENV) && exit 0; \
	        rm -rf $(VENV); \
	        echo "$$python -m venv failed; on Debian and Ubuntu: apt install python3-venv" >&2; \
	        exit 1; \
	    fi; \
	done; \
	echo "Trainlet needs Python 3.11 or newer and found none; say where: make PYTHON=/path/to/python" >&2; \
	exit 1
