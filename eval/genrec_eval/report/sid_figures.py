"""Figures about semantic IDs: how evenly the items use the codes of each level, and what the codes stand for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from genrec.semantic_ids import Catalogue
from genrec.semantic_ids.vocabulary import level_letter
from genrec_eval.report.figures import ACCENT, INK, figure


def usage_figures(catalogue: Catalogue) -> list[Markup]:
    """Return one figure a level: items of each code, the most used code first."""
    return [
        usage_figure(level, catalogue.codes[:, level], size) for level, size in enumerate(catalogue.codebook_sizes)
    ]


def usage_figure(level: int, codes: npt.NDArray[np.integer], size: int) -> Markup:
    """Return the use of one level's codes; the dashed line is a perfectly even use."""
    counts = np.sort(np.bincount(codes, minlength=size))[::-1]
    even = len(codes) / size

    def paint(axes: Axes) -> None:
        axes.stairs(counts, np.arange(size + 1) + 0.5, fill=True, color=ACCENT)
        axes.axhline(even, color=INK, linewidth=0.8, linestyle="--")
        axes.annotate(
            f"even use: {even:.1f} ", (1.0, even), xycoords=("axes fraction", "data"), ha="right", va="bottom"
        )
        axes.set_xlim(0.5, size + 0.5)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(axis="x", visible=False)

    used = int((counts > 0).sum())
    title = f"Level {level + 1} ({level_letter(level)}): {used} of {size} codes used"
    return figure(f"usage-{level}", title, "codes, the most used first", "items", paint, height=2.4)


def largest_codes(
    catalogue: Catalogue, names: Mapping[str, Sequence[str]], codes: int = 8, titles: int = 3
) -> list[dict[str, Any]]:
    """Return the first level's codes of most items: ``token``, ``items``, ``words`` and some ``titles`` of each."""
    first = catalogue.codes[:, 0]
    counts = np.bincount(first)
    shown = []
    for code in np.argsort(-counts, kind="stable")[:codes]:
        token = catalogue.vocabulary.token(0, int(code))
        members = np.flatnonzero(first == code)[:titles]
        shown.append(
            {
                "token": token,
                "items": int(counts[code]),
                "words": ", ".join(names.get(token, [])),
                "titles": "; ".join(catalogue.titles[item] for item in members),
            }
        )
    return shown
