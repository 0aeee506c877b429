"""Figures that set several models against each other, each in its own colour, line and marker throughout a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from genrec_eval.report.figures import ACCENT, INK, SERIES, figure
from genrec_eval.report.grouping import Share
from genrec_eval.statistics import Comparison

_COLOURS = (ACCENT, *SERIES)
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")
_DASHES: tuple[str | tuple[int, tuple[int, ...]], ...] = ("-", "--", "-.", ":", (0, (5, 1)))
NAMES = {"ndcg": "NDCG", "recall": "Recall", "mrr": "MRR", "map": "MAP", "hit": "Hit rate"}
_LEGEND_ROW = 0.19  # inches
_SPARSE, _MANY = 0.12, 12  # of the figure between two markers of a line that has many points
_ROOM = 1.12  # beyond the largest point


class Look(NamedTuple):
    """How a model is drawn: three marks, so that no two models differ by colour alone."""

    colour: str
    marker: str
    dash: str | tuple[int, tuple[int, ...]]


def looks(names: Sequence[str]) -> dict[str, Look]:
    """Return a look for each of up to 30 names, the first one in the accent colour; no two are the same."""
    return {
        name: Look(_COLOURS[at % len(_COLOURS)], _MARKERS[at % len(_MARKERS)], _DASHES[at % len(_DASHES)])
        for at, name in enumerate(names)
    }


def curves_figure(metric: str, curves: Mapping[str, Sequence[float]], drawn: Mapping[str, Look]) -> Markup:
    """Return a metric at every cut-off, one line a model."""

    def paint(axes: Axes) -> None:
        for name, look in drawn.items():
            places = range(1, len(curves[name]) + 1)
            _line(axes, places, curves[name], look)
        axes.set_ylim(bottom=0)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        _legend(axes, drawn)

    title, label = f"{NAMES[metric]} at every cut-off", f"{NAMES[metric]}@K"
    return figure(f"curve-{metric}", title, "K (places looked at)", label, paint, height=_height(3.0, drawn))


def differences_figure(name: str, reference: str, rows: Sequence[Comparison], drawn: Mapping[str, Look]) -> Markup:
    """Return each model's difference from the reference with its interval; hollow where it is not significant."""
    shown = [row for row in rows if row.other in drawn]
    metric, _, k = name.partition("@")

    def paint(axes: Axes) -> None:
        for place, row in enumerate(shown):
            look = drawn[row.other]
            axes.plot(row.interval, (place, place), color=look.colour, linewidth=1.4)
            fill = look.colour if row.significant else "none"
            axes.plot(row.difference, place, marker=look.marker, color=look.colour, markerfacecolor=fill)
        axes.axvline(0, color=INK, linewidth=0.9)
        axes.set_yticks(range(len(shown)), [_short(row.other) for row in shown])
        axes.set_ylim(len(shown) - 0.4, -0.6)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.margins(x=0.1)

    title = f"{NAMES[metric]}@{k}: difference from {_short(reference)}"
    height = 1.2 + 0.26 * len(shown)
    return figure(f"differences-{metric}", title, "difference, 95% interval", "model", paint, height=height)


def shares_figure(
    name: str, k: int, labels: Sequence[str], found: Mapping[str, Sequence[Share]], drawn: Mapping[str, Look]
) -> Markup:
    """Return the share found in each group, one mark a model side by side, with intervals."""

    def paint(axes: Axes) -> None:
        step = 0.8 / len(drawn)
        for at, (model, look) in enumerate(drawn.items()):
            places = [group + (at + 0.5) * step - 0.4 for group in range(len(labels))]
            middles = [share.found for share in found[model]]
            below = [share.found - share.low for share in found[model]]
            above = [share.high - share.found for share in found[model]]
            axes.errorbar(places, middles, (below, above), fmt="none", ecolor=look.colour, elinewidth=1.0)
            axes.plot(places, middles, linestyle="", marker=look.marker, color=look.colour, markersize=4)
        axes.set_xticks(range(len(labels)), labels)
        axes.set_xlim(-0.5, len(labels) - 0.5)
        axes.set_ylim(bottom=0)
        axes.grid(axis="x", visible=False)
        _legend(axes, drawn)

    title, unit = f"Share of targets found, by {name}", f"found in the first {k}, 95% interval"
    return figure(f"shares-{name.replace(' ', '-')}", title, name, unit, paint, height=_height(3.0, drawn))


def plane_figure(
    points: Mapping[str, tuple[float, float]], accuracy: str, variety: str, drawn: Mapping[str, Look]
) -> Markup:
    """Return every model as a point: how accurate its lists are, and how various."""

    def paint(axes: Axes) -> None:
        for model, look in drawn.items():
            axes.plot(*points[model], linestyle="", marker=look.marker, color=look.colour, markersize=7)
        far, high = (max(point[axis] for point in points.values()) for axis in (0, 1))
        axes.set_xlim(0, far * _ROOM or 1)
        axes.set_ylim(0, high * _ROOM or 1)
        _legend(axes, drawn)

    return figure("plane", "Accuracy and diversity", accuracy, variety, paint, height=_height(3.2, drawn))


def learning_figure(
    metric: str, logs: Mapping[str, Sequence[tuple[float, float]]], drawn: Mapping[str, Look]
) -> Markup:
    """Return a metric of the validation part over the steps of every training."""
    shown = {name: look for name, look in drawn.items() if name in logs}

    def paint(axes: Axes) -> None:
        for name, look in shown.items():
            steps, values = zip(*logs[name], strict=True)
            _line(axes, steps, values, look)
        axes.set_ylim(bottom=0)
        _legend(axes, shown)

    title, label = f"{NAMES[metric]} on the validation part", NAMES[metric]
    return figure(f"learning-{metric}", title, "optimizer step", label, paint, height=_height(3.0, shown))


def _line(axes: Axes, x: Sequence[float], y: Sequence[float], look: Look) -> Line2D:
    (line,) = axes.plot(x, y, color=look.colour, linestyle=look.dash, marker=look.marker, markersize=4.5)
    if len(x) > _MANY:
        line.set_markevery(_SPARSE)
    return line


def _legend(axes: Axes, drawn: Mapping[str, Look]) -> None:
    """Put the models below the axes, in two columns, where they cover nothing."""
    handles = [_line(axes, [], [], look) for look in drawn.values()]
    labels = [_short(name) for name in drawn]
    axes.get_figure().legend(  # type: ignore[union-attr]
        handles, labels, loc="outside lower center", ncols=2, fontsize=8, handlelength=3.2
    )


def _height(axes: float, drawn: Mapping[str, Look]) -> float:
    return axes + _LEGEND_ROW * ((len(drawn) + 1) // 2)


def _short(name: str, most: int = 26) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"
