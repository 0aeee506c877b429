"""The program that compares ways to align: its settings are valid, its table has the ceiling once a seed."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import polars as pl
import pytest

from genrec_alignment.align.config import AlignConfig

ROOT = Path(__file__).resolve().parents[2]
FIGURES = dict.fromkeys(("model_max", "judge_mean", "judge_max", "recall", "kl", "diversity", "coverage"), 0.5)
BEST = {"best_model": 0.9, "best_judge": 0.8, "best_recall": 0.1, "best_ndcg": 0.0321}


def test_methods_are_valid_and_the_table_is_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    monkeypatch.setattr(sys, "argv", ["alignment"])
    program = importlib.import_module("alignment")
    for method in program.METHODS.values():
        AlignConfig.model_validate(program.BASE | method)
    about = {"data": "movielens", "seed": 0, "accepted": True, "reasons": [], "gains": {}, "seconds": 1.4}
    first = about | FIGURES | BEST | {"round": 0, "model_mean": 0.1, "ndcg": 0.1111}
    after = about | FIGURES | BEST | {"round": 1, "model_mean": 0.2, "ndcg": 0.1099, "pairs": 12}
    after |= {"test_recall": 0.2, "test_ndcg": 0.15, "test_change": 0.05, "test_change_error": 0.05}
    rows = [row | {"method": method} for method in ("ipa", "s-dpo") for row in (first, after)]
    lines = program.table(rows).splitlines()
    assert [line.split("|")[3].strip() for line in lines[2:]] == ["before", "best of N", "ipa", "s-dpo"]
    assert "0.0321" in lines[3]
    assert "0.1099" in lines[4]
    assert lines[4].rstrip(" |").endswith("| 12 | 1 | yes | 0.2000 / 0.1500 | +0.0500 ± 0.0500")
    report = {"round": 1, "accepted": False, "reasons": ["x"], "gains": {}, "seconds": 2, "figures": {"kl": 1}}
    row = program.row_of(report | {"training": {"pairs": 3, "log": []}})
    assert row["pairs"] == 3
    assert row["kl"] == 1
    assert "log" not in row


def test_the_test_part_is_compared_user_by_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    program = importlib.import_module("alignment")
    ranks = {0: pl.Series([0, 1, 2, 0]), 2: pl.Series([1, 1, 2, 0])}
    assert program.figures_of_test(ranks, 1) == {}
    assert program.figures_of_test(ranks, 0) == {"test_recall": 0.5, "test_ndcg": 0.40773}
    after = program.figures_of_test(ranks, 2)
    assert after == {"test_recall": 0.75, "test_ndcg": 0.65773, "test_change": 0.25, "test_change_error": 0.25}
