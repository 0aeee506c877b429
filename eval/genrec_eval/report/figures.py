"""Draw a matplotlib figure as SVG that takes its colours from the page, so that it suits light and dark."""

from __future__ import annotations

import html
import io
import re
from collections.abc import Callable
from typing import Any, cast

import matplotlib
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Colours that stand for the page's: matplotlib wants real ones, and the SVG gets CSS in their place.
INK, QUIET, GRID, ACCENT = "#010101", "#010102", "#010103", "#010104"
SERIES = ("#010105", "#010106", "#010107", "#010108", "#010109")
_CSS = {
    INK: "currentColor",
    QUIET: "var(--quiet)",
    GRID: "var(--grid)",
    ACCENT: "var(--accent)",
    **{colour: f"var(--series-{number})" for number, colour in enumerate(SERIES, start=1)},
}
_STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.edgecolor": GRID,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
}


def figure(
    name: str,
    title: str,
    x: str,
    y: str,
    paint: Callable[[Axes], None],
    height: float = 2.9,
    width: float = 4.7,
) -> Markup:
    """Return an inline ``<figure>``.

    Args:
        name: different for every figure of a page, so that their SVG ids do not clash.
        title: shown above, and read out by screen readers.
        x: label of the horizontal axis, with its unit.
        y: label of the vertical axis, with its unit.
        paint: draws into the axes, in the colours of this module.
        height: inches, to the ``width`` of a narrow screen.
        width: inches; at about 4.7 the text is legible on a phone.
    """
    buffer = io.StringIO()
    with matplotlib.rc_context(cast(Any, _STYLE | {"svg.hashsalt": name})):
        canvas = Figure(figsize=(width, height), layout="constrained")
        axes = canvas.add_subplot()
        paint(axes)
        axes.set_title(title)
        axes.set_xlabel(x)
        axes.set_ylabel(y)
        canvas.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    return Markup(f"<figure>{_inline(buffer.getvalue(), title)}</figure>")


def _inline(svg: str, title: str) -> str:
    """Strip what a stand-alone SVG needs and a page does not, and put the page's colours in."""
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r' xmlns(:\w+)?="[^"]*"', "", svg).replace("xlink:href", "href")
    svg = svg.replace("<svg", f'<svg role="img" aria-label="{html.escape(title)}"', 1)
    svg = re.sub(r"font: ([^;\"]*?)'[^;\"]*", r"font: \1inherit-family", svg).replace(
        "inherit-family", "var(--font)"
    )
    for colour, css in _CSS.items():
        svg = svg.replace(colour, css)
    return svg
