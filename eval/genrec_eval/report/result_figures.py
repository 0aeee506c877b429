"""Figures about accuracy: every model at one cut-off with its uncertainty, and over all cut-offs."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from genrec_eval.metrics import session_recall
from genrec_eval.report.figures import ACCENT, INK, QUIET, SERIES, figure
from genrec_eval.statistics.gains import as_found, gains

GENERATOR = "generator"
_Z95 = 1.96


def bar_figure(ranks: pl.DataFrame, models: list[str], metric: str, k: int) -> Markup:
    """Return one bar a model with the 95% interval of its mean over examples (normal approximation).

    Args:
        ranks: ``ranks.parquet``.
        models: the models, best first.
        metric: ``ndcg`` or ``recall``.
        k: the cut-off.
    """
    figures = [gains(ranks[model], metric, k) for model in models]
    means = np.array([gain.mean() for gain in figures])
    errors = np.array([_Z95 * gain.std() / np.sqrt(len(gain)) for gain in figures])
    name = {"ndcg": "NDCG", "recall": "Recall"}[metric]
    label = f"{name}@{k} (mean over examples)"
    return _bars(f"bars-{metric}", f"{name}@{k} with 95% intervals", label, models, means, errors)


def coverage_figure(metrics: dict[str, dict[str, float]], models: list[str], k: int) -> Markup:
    """Return one bar a model: the share of the catalogue that stands in at least one list."""
    shares = np.array([metrics[model][f"coverage@{k}"] for model in models])
    title, label = f"Coverage of the catalogue at {k}", f"share of items in at least one top {k}"
    return _bars("bars-coverage", title, label, models, shares, np.zeros(len(models)))


def _bars(
    name: str, title: str, label: str, models: list[str], values: npt.NDArray[Any], errors: npt.NDArray[Any]
) -> Markup:
    def paint(axes: Axes) -> None:
        places = np.arange(len(models))
        axes.barh(places, values, color=[ACCENT if model == GENERATOR else QUIET for model in models], height=0.62)
        if errors.any():
            axes.errorbar(values, places, xerr=errors, fmt="none", ecolor=INK, elinewidth=0.9, capsize=2)
        for place, value, error in zip(places, values, errors, strict=True):
            axes.annotate(f"{value:.3f}", (value + error, place), (4, 0), textcoords="offset points", va="center")
        axes.set_yticks(places, models)
        axes.invert_yaxis()
        axes.set_xlim(0, float((values + errors).max()) * 1.2 or 1.0)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.grid(axis="y", visible=False)

    return figure(name, title, label, "model", paint)


def curve_figure(ranks: pl.DataFrame, models: list[str], deepest: int) -> Markup:
    """Return Recall@K of every model for K = 1 … ``deepest``."""
    cut_offs = np.arange(1, deepest + 1)

    def paint(axes: Axes) -> None:
        others = [model for model in models if model != GENERATOR]
        for model in models:
            ours = model == GENERATOR
            colour = ACCENT if ours else SERIES[others.index(model) % len(SERIES)]
            found = as_found(ranks[model])
            axes.plot(
                cut_offs,
                [session_recall(found, int(k)).mean() for k in cut_offs],
                color=colour,
                linewidth=2.4 if ours else 1.3,
                linestyle="-" if ours else ("-", "--", "-.", ":", (0, (5, 1)))[others.index(model) % 5],
                label=model,
                zorder=3 if ours else 2,
            )
        axes.set_ylim(bottom=0)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend(fontsize=8, handlelength=2.6)

    return figure("recall-curve", "Recall at every cut-off", "K (places looked at)", "Recall@K", paint, height=3.3)
