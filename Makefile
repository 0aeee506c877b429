# GENREC_DEVICE=cpu|gpu and TORCH_INDEX=URL are explained in docs/setup.md.
.PHONY: help setup demo test check benchmark benchmark-small benchmark-full clean

help:
	@echo "make demo       set up, then run everything on MovieLens-100k (about ten minutes on two cores)"
	@echo "make test       set up, then lint, types and all tests"
	@echo "make setup      the set-up alone: .venv from the pinned lock"
	@echo "make check      lint, format and types"
	@echo "make benchmark  the measurements of the README"
	@echo "make benchmark-small, benchmark-full  generators against baselines on Amazon Beauty and Sports (docs/evaluation.md)"
	@echo "make clean      remove .venv, caches and builds; runs/ stays"

setup:
	@scripts/setup

demo: setup
	.venv/bin/genrec demo

test: setup
	scripts/test

check: setup
	scripts/check

benchmark: setup
	.venv/bin/python benchmarks/trie.py
	.venv/bin/python benchmarks/decoding.py

benchmark-small: setup
	.venv/bin/python benchmarks/suite.py --small

benchmark-full: setup
	.venv/bin/python benchmarks/suite.py

clean:
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
