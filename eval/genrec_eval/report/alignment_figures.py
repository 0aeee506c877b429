"""Figures about an alignment: rewards, accuracy, distance and length, round by round."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup
from matplotlib.axes import Axes

from genrec_eval.report.figures import ACCENT, QUIET, SERIES, figure

Report = Mapping[str, Any]
# Title, unit, and the curves with their labels.
_FIGURES = {
    "rewards": ("Reward of what is shown", "mean", {"model_mean": "reward model", "judge_mean": "judge"}),
    "aligned-accuracy": (
        "Accuracy on the validation users",
        "share found, or NDCG",
        {"recall": "recall", "ndcg": "NDCG"},
    ),
    "distance": ("Distance from the first policy", "KL divergence over the beams (nats)", {"kl": "KL"}),
    "lengths": ("Length of a candidate", "items", {"length": "length"}),
}


def alignment_figures(rounds: Sequence[Report]) -> list[Markup]:
    """Return the curves of an alignment's rounds, of which the first is the policy it began with.

    Rounds that were rolled back are hollow; the line goes on from the round that was kept.
    """
    return [_figure(name, *about, rounds) for name, about in _FIGURES.items()]


def _figure(name: str, title: str, unit: str, curves: dict[str, str], rounds: Sequence[Report]) -> Markup:
    kept = [report for report in rounds if report["accepted"]]
    undone = [report for report in rounds if not report["accepted"]]

    def paint(axes: Axes) -> None:
        for (key, label), colour in zip(curves.items(), (ACCENT, SERIES[1]), strict=False):
            axes.plot(*_points(kept, key), color=colour, marker="o", markersize=4, label=label)
            axes.plot(
                *_points(undone, key), color=colour, marker="o", markersize=4, linestyle="", markerfacecolor="none"
            )
        if undone:
            axes.plot(
                [], [], color=QUIET, marker="o", markersize=4, linestyle="", markerfacecolor="none", label="undone"
            )
        axes.set_xticks([report["round"] for report in rounds])
        axes.margins(y=0.15)
        if len(curves) > 1 or undone:
            axes.legend()

    return figure(name, title, "round", unit, paint)


def _points(rounds: Sequence[Report], key: str) -> tuple[list[int], list[float]]:
    return [report["round"] for report in rounds], [report["figures"][key] for report in rounds]
