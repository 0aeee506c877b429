"""The map of the items: what lies near each other in the vectors, coloured by the first code."""

from __future__ import annotations

import colorsys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from markupsafe import Markup
from matplotlib.axes import Axes
from safetensors import safe_open

from genrec.semantic_ids import Catalogue
from genrec_eval.report.figures import INK, figure

_SHOWN = 1_200
_NAMED = 8
_GOLDEN = 0.618034


def map_figure(folder: Path, catalogue: Catalogue, names: Mapping[str, Sequence[str]]) -> Markup:
    """Return a picture of up to 1,200 items in two dimensions (t-SNE), the largest codes with their names.

    Args:
        folder: a ``semantic_ids`` artefact with its ``embeddings.safetensors``.
        catalogue: its items.
        names: telling words of a code by its token, as in ``code_names.json``.
    """
    rows = np.sort(np.random.default_rng(0).permutation(len(catalogue))[:_SHOWN])
    first = catalogue.codes[rows, 0]
    places = flat(_vectors(folder / "embeddings.safetensors", rows))
    largest = np.argsort(-np.bincount(first, minlength=1), kind="stable")[:_NAMED]

    def paint(axes: Axes) -> None:
        axes.scatter(places[:, 0], places[:, 1], s=7, c=[colour(int(code)) for code in first], linewidths=0)
        for code in largest:
            members = places[first == code]
            if len(members) and (words := names.get(catalogue.vocabulary.token(0, int(code)))):
                # The member nearest the middle, so that the name of a code with several islands lies on one.
                middle = members[np.square(members - np.median(members, axis=0)).sum(axis=1).argmin()]
                axes.annotate(
                    " ".join(words[:2]), middle, color=INK, fontsize=8, weight="bold", ha="center", va="center"
                )
        axes.set_xticks([])
        axes.set_yticks([])
        axes.grid(visible=False)

    return figure("map", f"{len(rows):,} items, coloured by their first code", "", "", paint, height=4.2)


def flat(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return places float32 [items, 2] in which near vectors lie near each other; the same for the same vectors."""
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    if len(vectors) < 5:
        return np.pad(vectors, ((0, 0), (0, 2)))[:, :2]
    fewer = PCA(min(50, *vectors.shape), random_state=0).fit_transform(vectors)
    if fewer.shape[1] < 2:
        return np.pad(fewer, ((0, 0), (0, 1)))
    perplexity = min(30.0, (len(vectors) - 1) / 4)
    return TSNE(2, perplexity=perplexity, init="pca", random_state=0).fit_transform(fewer)


def colour(code: int) -> str:
    """Return a code's colour, legible on light and dark; neighbouring codes get far hues."""
    red, green, blue = colorsys.hls_to_rgb(code * _GOLDEN % 1, 0.52, 0.62)
    return f"#{round(255 * red):02x}{round(255 * green):02x}{round(255 * blue):02x}"


def _vectors(file: Path, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    with safe_open(file, "numpy") as tensors:
        stored = tensors.get_slice("embeddings")
        if stored.get_shape()[0] < 50_000:
            return stored[:][rows]
        return np.concatenate([stored[int(row) : int(row) + 1] for row in rows])
