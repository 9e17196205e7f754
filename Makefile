# `make quickstart` and `make test` are each all that a fresh Debian or Ubuntu machine with a Swift toolchain needs.

RELEASE := .build/release/occult
PEER := .build/peer-venv
# How long `make fuzz` runs, and from which seed.
SECONDS := 60
SEED := 1
# How many cases `make faults` runs at a time, and of which scenarios (all).
JOBS := 2
SCENARIO :=
PYTHON_FILES = $(shell find scripts Tests recipes -name '*.py')

.DEFAULT_GOAL := help
.PHONY: help quickstart test build lint bench fuzz faults deps

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

quickstart: build ## Build, then compare standard and limited fine-tuning on real data; interrupted or repeated, it goes on
	$(RELEASE) study recipes/quickstart.yaml

test: deps ## Run all tests
	swift test --disable-xctest

build: deps ## Build the command in release mode: .build/release/occult
	swift build -c release --product occult

lint: ## Check the format of the Swift code and the syntax of the scripts
	swift format lint --recursive --strict Sources Tests recipes Package.swift
	PYTHONPYCACHEPREFIX=.build/pycache python3 -m py_compile $(PYTHON_FILES)

bench: build $(PEER)/installed ## Measure speed against transformers and PyTorch, which pip installs into .build (OPTIONS=…)
	python3 scripts/bench.py --occult $(RELEASE) --peer-python $(PEER)/bin/python $(OPTIONS)

fuzz: deps ## Feed damaged files to all readers for a while (SECONDS=60 SEED=1)
	swift build -c release --product Fuzz
	.build/release/Fuzz --seconds $(SECONDS) --seed $(SEED) --folder .build/fuzz

faults: build ## Fail or kill every command at each of its system calls; goes on where it was interrupted (SCENARIO=finetune)
	swift build -c release --product Faults
	.build/release/Faults --folder .build/faults --jobs $(JOBS) $(if $(SCENARIO),--scenario $(SCENARIO))

deps:
	@scripts/install_dependencies.sh

$(PEER)/installed: scripts/requirements.txt
	python3 -m venv $(PEER)
	$(PEER)/bin/pip install --quiet --requirement scripts/requirements.txt
	touch $@
