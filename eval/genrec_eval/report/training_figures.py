"""Figures about training: the loss and the validation metrics over the steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup
from matplotlib.axes import Axes

from genrec_eval.report.figures import ACCENT, INK, SERIES, figure

_CURVES = {
    "loss": ("Training loss", "cross-entropy (nats a token)", ("loss", "eval_loss")),
    "accuracy": ("Accuracy on the validation part", "share found, or NDCG", ("ndcg", "recall")),
    "speed": ("Speed of training", "tokens a second", ("tokens_per_second",)),
}
_LABELS = {"loss": "training", "eval_loss": "validation", "tokens_per_second": "tokens/s"}


def training_figures(log: Sequence[Mapping[str, Any]]) -> list[Markup]:
    """Return the curves of a trainer's log (rows of ``Trainer.log_history``); those without points are left out."""
    figures = []
    for name, (title, unit, wanted) in _CURVES.items():
        keys = accuracy_names(log, wanted) if name == "accuracy" else wanted
        curves = {key: found for key in keys if (found := points(log, key))}
        if curves:
            figures.append(_curves_figure(name, title, unit, curves))
    return figures


def accuracy_names(log: Sequence[Mapping[str, Any]], metrics: Sequence[str]) -> list[str]:
    """Return the names that the metrics have in a log: those of items, or of sessions of some length."""
    names = dict.fromkeys(key for row in log for key in row if key.startswith("eval_"))
    return [key for metric in metrics for key in names if key.partition("@")[0].endswith(metric)]


def _label(key: str) -> str:
    if key in _LABELS:
        return _LABELS[key]
    return key.removeprefix("eval_").replace("_", " ").replace("ndcg", "NDCG").replace("recall", "Recall")


def points(log: Sequence[Mapping[str, Any]], key: str) -> list[tuple[float, float]]:
    """Return step and value of every row of a trainer's log that has a number under a name."""
    return [(row["step"], row[key]) for row in log if "step" in row and isinstance(row.get(key), int | float)]


def _curves_figure(name: str, title: str, unit: str, curves: dict[str, list[tuple[float, float]]]) -> Markup:
    def paint(axes: Axes) -> None:
        for (key, found), colour in zip(curves.items(), (ACCENT, SERIES[0], SERIES[1]), strict=False):
            marker = "o" if len(found) < 40 else None
            axes.plot(*zip(*found, strict=True), color=colour, marker=marker, markersize=3, label=_label(key))
        if name == "accuracy":
            step, best = max(next(iter(curves.values())), key=lambda point: point[1])
            axes.annotate(
                f"best {best:.4f}", (step, best), (0, 5), textcoords="offset points", ha="center", color=INK
            )
            axes.margins(y=0.15)
        if name != "loss":
            axes.set_ylim(bottom=0)
        if len(curves) > 1:
            axes.legend()

    return figure(name, title, "optimizer step", unit, paint)
