# make            the verbs, in pipeline order
# Settings are words behind the verb: make train COMPETITION=dog-breed-identification minutes=30
# VENV=DIR        the virtual environment (default .venv); VENV= (empty) uses the running Python as it is
# PYTHON=…        the Python (3.11 or newer) that makes it

VENV ?= .venv
ifeq ($(VENV),)
PYTHON ?= python3
RUN := $(PYTHON)
else
PYTHON ?= $(firstword $(foreach name,python3.11 python3.12 python3.13 python3 python,$(if $(shell command -v $(name)),$(name))))
RUN := $(VENV)/bin/python
endif

# What was typed behind the verb, as scripts read it. Make exports its words as well; the scripts read the arguments only.
# With several verbs each takes the words that it reads, for which it has to know the others.
export MAKECMDGOALS
WORDS = $(patsubst COMPETITION=%,competition=%,$(filter-out VENV=% PYTHON=%,$(MAKEOVERRIDES)))

VERBS := help setup all login-check download explore prepare sample train improve submit scores leaderboard rehearse compare split-check predict export board readme runs bench judge clean test zoo kaggle-local lint format
ifneq ($(filter-out $(VERBS),$(MAKECMDGOALS)),)
$(error unknown verb $(filter-out $(VERBS),$(MAKECMDGOALS)). Settings are words like epochs=3; make alone lists the verbs)
endif

.DEFAULT_GOAL := help
.PHONY: $(VERBS)
.SUFFIXES:

help:
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

all: setup  ## the set-up where it is missing, then 01 to 07; minutes= is the budget of 05 and of 06, each
	@$(RUN) scripts/all.py $(WORDS)

download: setup  ## 01: the competition's files, from Kaggle, from source=PATH, or the embedded default
	@$(RUN) scripts/01_download.py $(WORDS)

explore: setup  ## 02: understand the problem, look at the data, write problem.toml and the tables
	@$(RUN) scripts/02_explore.py $(WORDS)

prepare: setup  ## 03: folds, the sample, the store of decoded pictures
	@$(RUN) scripts/03_prepare.py $(WORDS)

sample: setup  ## 04: train on the sample and check the pipeline
	@$(RUN) scripts/04_train_sample.py $(WORDS)

train: setup  ## 05: train on all; minutes= or epochs=, fold=0|all|full
	@$(RUN) scripts/05_train.py $(WORDS)

improve: setup  ## 06: try changes on the same fold, keep one only if it beats the noise
	@$(RUN) scripts/06_improve.py $(WORDS)

submit: setup  ## 07: predict, format, check, upload
	@$(RUN) scripts/07_submit.py $(WORDS)

login-check: setup  ## what signs in to Kaggle, what works, and what to do next; with COMPETITION=, whether its rules are accepted
	@$(RUN) scripts/login_check.py $(WORDS)

rehearse: setup  ## a hidden test of some training rows, 02 to 07 on the rest without network, and the score; minutes=, holdout=
	@$(RUN) scripts/rehearse.py $(WORDS)

compare: setup  ## runs=a,b: is the second better than the first, or was it luck?
	@$(RUN) scripts/compare.py $(WORDS)

split-check: setup  ## what plain random folds would let leak: a small network on both kinds of folds; group=COLUMN, minutes=
	@$(RUN) scripts/split_check.py $(WORDS)

predict: setup  ## a table of predictions for every picture below images=FOLDER
	@$(RUN) scripts/predict.py $(WORDS)

export: setup  ## a run as one Keras model and one SavedModel, for use without this project
	@$(RUN) scripts/export.py $(WORDS)

board: setup  ## TensorBoard of one competition's runs, on loopback
	@$(RUN) scripts/board.py $(WORDS)

readme: setup  ## write the tables of words into README.md
	@$(RUN) scripts/readme.py

runs: setup  ## runs and submissions side by side, best first, and the two to pick in the end
	@$(RUN) scripts/runs.py $(WORDS)

scores: setup  ## ask Kaggle for scores that came later, and write them into the ledger
	@$(RUN) scripts/scores.py $(WORDS)

leaderboard: setup  ## one's place among the public scores
	@$(RUN) scripts/leaderboard.py $(WORDS)

bench: setup  ## how fast every stage is beside what bounds it; set=explore, memory or a prepared competition, repeats=
	@$(RUN) scripts/bench.py $(WORDS)

judge: setup  ## is the gate right, and are the intervals? measured on 110 short trainings: steps=, seeds=, gates=
	@$(RUN) scripts/judge.py $(WORDS)

clean: setup  ## remove derived data of one competition; raw/, runs/ and submissions/ stay unless asked (runs=true …)
	@$(RUN) scripts/clean.py $(WORDS)

test: setup  ## the tests; CLF_TESTS=all before it: every case of the long lists, of which else a part runs
	@$(RUN) -m pytest -n 2 --dist loadfile --no-loadscope-reorder

zoo: setup  ## small copies of 44 real competitions through all steps, and changed in 13 ways through 02; the README's table of them
	@$(RUN) -m tests.zoo

kaggle-local: setup  ## a stand-in for Kaggle on 127.0.0.1, to try all this without an account: folder=, answers=, port=, fault=
	@$(RUN) -m tests.standin $(WORDS)

lint: setup  ## style and format
	@$(RUN) -m ruff check . && $(RUN) -m ruff format --check .

format: setup  ## mend style and format
	@$(RUN) -m ruff check --fix . && $(RUN) -m ruff format .

# An environment of ours holds a copy of requirements.txt, whose first line is there from the start and the rest when all is installed: it is
# remade when the text differs, or an install was cut. What has files and no such line was made by somebody else, and is never removed.
setup:
ifneq ($(VENV),)
	@cmp -s requirements.txt $(VENV)/requirements.txt || { \
	  test -n "$(PYTHON)" || { echo "error: no python found: install Python 3.11 or newer, or name one with PYTHON=" >&2; exit 2; }; \
	  $(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("error: $(PYTHON) is Python " + sys.version.split()[0] + "; 3.11 or newer is needed: name one with PYTHON=python3.12")' || exit 2; \
	  if [ -n "$$(ls -A $(VENV) 2>/dev/null)" ]; then \
	    { [ -f $(VENV)/pyvenv.cfg ] || [ "$$(ls -A $(VENV))" = requirements.txt ]; } && \
	    [ "$$(head -n 1 $(VENV)/requirements.txt 2>/dev/null)" = "$$(head -n 1 requirements.txt)" ] || { \
	      echo "error: VENV=$(VENV) holds files, and make did not make it, so it stays as it is: remove it yourself, or name another folder" >&2; exit 2; }; \
	  fi; \
	  echo "setup: making $(VENV) (a few minutes, once)"; \
	  rm -rf $(VENV) && mkdir -p $(VENV) && head -n 1 requirements.txt > $(VENV)/requirements.txt && $(PYTHON) -m venv $(VENV) && \
	  $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.txt \
	    $$(command -v nvidia-smi >/dev/null 2>&1 && nvidia-smi -L 2>/dev/null | grep -q GPU && grep '^tensorflow==' requirements.txt | sed 's/^tensorflow==/tensorflow[and-cuda]==/') && \
	  cp requirements.txt $(VENV)/requirements.txt; }
endif
