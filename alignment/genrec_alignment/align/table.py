"""The table of an alignment, one line a round."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Title and name of each figure.
_COLUMNS = (
    ("model mean", "model_mean"),
    ("model max", "model_max"),
    ("judge mean", "judge_mean"),
    ("judge max", "judge_max"),
    ("recall", "recall"),
    ("NDCG", "ndcg"),
    ("KL", "kl"),
    ("length", "length"),
    ("diversity", "diversity"),
    ("coverage", "coverage"),
)
_WIDTH = 11


def header() -> str:
    """Return the line of titles."""
    titles = [*(title for title, _ in _COLUMNS), "pairs", "seconds"]
    return " ".join([f"{'round':<11}", *(f"{title:>{_WIDTH}}" for title in titles)])


def lines(report: Mapping[str, Any]) -> list[str]:
    """Return what the table has of a round: its figures, for the first policy the ceiling, and why it went back."""
    figures, training = report["figures"], report["training"]
    cells = [f"{figures[name]:>{_WIDTH}.4f}" for _, name in _COLUMNS]
    cells += [f"{training.get('pairs', 0):>{_WIDTH},}", f"{report['seconds']:>{_WIDTH},.0f}"]
    shown = [" ".join([f"{_name(report):<11}", *cells])]
    if report["round"] == 0:
        best = {name.removeprefix("best_"): figures[name] for name in figures if name.startswith("best_")}
        named = {
            "model mean": best["model"],
            "judge mean": best["judge"],
            "recall": best["recall"],
            "NDCG": best["ndcg"],
        }
        cells = [f"{named[title]:>{_WIDTH}.4f}" if title in named else " " * _WIDTH for title, _ in _COLUMNS]
        shown.append(" ".join([f"{'best of N':<11}", *cells]).rstrip())
    if training.get("skipped"):
        counts = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in training["skipped"].items())
        shown.append(f"            requests without a pair: {counts}")
    return [*shown, *(f"            rolled back: {reason}" for reason in report["reasons"])]


def _name(report: Mapping[str, Any]) -> str:
    if report["round"] == 0:
        return "before"
    return f"{report['round']} {'kept' if report['accepted'] else 'undone'}"
