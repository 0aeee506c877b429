"""Figures about the dataset: popularity, history lengths, time, splits."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from genrec.data import Dataset
from genrec.data.dataset import SPLITS
from genrec_eval.report.figures import ACCENT, INK, figure

_TIME_BINS = 60


def data_figures(dataset: Dataset) -> list[Markup]:
    """Return the figures of a dataset; that of time only where its timestamps are times."""
    sequences = dataset.sequences
    counts = np.bincount(sequences.items, minlength=len(dataset.item_ids))
    figures = [
        popularity_figure(counts),
        length_figure(np.diff(sequences.offsets)),
        split_figure(np.bincount(sequences.splits, minlength=len(SPLITS))),
    ]
    if dataset.manifest.details.get("time_unit") == "ms" and len(sequences.timestamps):
        figures.insert(2, time_figure(sequences.timestamps))
    return figures


def popularity_figure(counts: npt.NDArray[np.integer]) -> Markup:
    """Return the long tail: interactions of each item, the most popular first."""
    ordered = np.sort(counts)[::-1]
    total = max(int(ordered.sum()), 1)
    head = int(np.searchsorted(np.cumsum(ordered), total / 2)) + 1
    share = head / max(len(ordered), 1)

    def paint(axes: Axes) -> None:
        # A point for each of a few hundred ranks draws the same curve as one for each of a million items.
        shown = np.unique(np.geomspace(1, len(ordered), 400).astype(int))
        axes.plot(shown, np.maximum(ordered[shown - 1], 0.5), color=ACCENT)
        axes.axvline(head, color=INK, linewidth=0.8, linestyle="--")
        note = f" {share:.1%} of items hold\n half of all interactions"
        axes.annotate(note, (head, 0.04), xycoords=("data", "axes fraction"), ha="right" if head > 30 else "left")
        axes.set_xscale("log")
        axes.set_yscale("log")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(_THOUSANDS)
            axis.set_minor_formatter(NullFormatter())

    return figure("popularity", "Popularity of items", "rank of the item (log)", "interactions (log)", paint)


def length_figure(lengths: npt.NDArray[np.integer]) -> Markup:
    """Return the distribution of interactions per user, in bins that grow with length."""
    median = float(np.median(lengths))

    def paint(axes: Axes) -> None:
        first, last = max(int(lengths.min()), 1), int(lengths.max()) + 1
        edges = np.unique(np.geomspace(first, last, 31).round().astype(int))
        if len(edges) < 2:
            edges = np.array([first, first + 1])
        axes.hist(lengths, bins=edges.tolist(), color=ACCENT, rwidth=0.92)
        axes.axvline(median, color=INK, linewidth=0.8, linestyle="--")
        at: dict[str, Any] = {
            "xycoords": ("data", "axes fraction"),
            "xytext": (4, 0),
            "textcoords": "offset points",
        }
        axes.annotate(f"median {median:.0f}", (median, 0.94), **at)
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.xaxis.set_major_formatter(_THOUSANDS)
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.yaxis.set_major_formatter(_THOUSANDS)
        axes.grid(axis="x", visible=False)

    return figure("lengths", "Length of histories", "interactions of a user (log)", "users", paint)


def time_figure(timestamps: npt.NDArray[np.int64]) -> Markup:
    """Return how many interactions fall into each of equal spans of time; ``timestamps`` in milliseconds."""
    counts, edges = np.histogram(timestamps, bins=_TIME_BINS)
    days = date2num([datetime.fromtimestamp(edge / 1000, UTC) for edge in edges])
    span = (edges[1] - edges[0]) / 86_400_000
    unit = f"{span:.1f} days" if span >= 1 else f"{span * 24:.1f} hours"

    def paint(axes: Axes) -> None:
        axes.stairs(counts, days, fill=True, color=ACCENT)
        locator = AutoDateLocator(maxticks=6)
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
        axes.yaxis.set_major_formatter(_THOUSANDS)
        axes.grid(axis="x", visible=False)

    return figure("time", "Interactions over time", "time (UTC)", f"interactions in {unit}", paint)


def split_figure(counts: npt.NDArray[np.integer]) -> Markup:
    """Return the number of interactions of each split."""
    shown = [(split, int(count)) for split, count in zip(SPLITS, counts, strict=True) if count]

    def paint(axes: Axes) -> None:
        names, sizes = [split for split, _ in shown][::-1], [count for _, count in shown][::-1]
        bars = axes.barh(names, sizes, color=ACCENT, height=0.6)
        axes.bar_label(bars, labels=[f"{size:,}" for size in sizes], padding=3)
        axes.set_xlim(0, max(sizes, default=1) * 1.2)
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        axes.xaxis.set_major_formatter(_THOUSANDS)
        axes.grid(axis="y", visible=False)

    return figure("splits", "Size of the splits", "interactions", "split", paint, height=2.2)


_THOUSANDS = FuncFormatter(lambda value, _: f"{value:,.0f}" if value >= 1 else "0")
