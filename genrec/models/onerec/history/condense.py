"""Long histories made short, before any batch is made: clusters of events, each one told by its middle.

OneRec's technical report (arXiv:2506.13695) divides a user's events, up to 100,000, by k-means into ⌊|D|^(1/3)⌋
clusters, those again, and so on, and keeps of each cluster the event nearest to its centre, with the cluster's
average of what is continuous. It stops at clusters of at most M events, which it does not state; here the number
of clusters is what is bounded, and the largest cluster is divided next.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from transformers import PretrainedConfig

from genrec.data.features import LIKED
from genrec.models.histories import Events
from genrec.models.onerec.config import PathwaysConfig
from genrec.semantic_ids import Catalogue

CONTINUOUS = ("value", "gap")  # features whose codes are ordered buckets, so that a mean of them is one
_YES = 2
_ITERATIONS = 10

Rows = npt.NDArray[np.int64]
Vectors = npt.NDArray[np.float32]


def clusters(vectors: Vectors, most: int) -> list[Rows]:
    """Divide vectors hierarchically into at most ``most`` clusters.

    Args:
        vectors: float32 [events, dim].
        most: how many clusters, at least 1.

    Returns:
        The rows of each cluster. Every row is in one; where there are no more rows than ``most``, each is alone,
        unless it equals another.
    """
    waiting = [(-len(vectors), 0, np.arange(len(vectors)))]
    done: list[Rows] = []
    made = 1  # breaks ties between clusters of one size
    while waiting and len(waiting) + len(done) < most:
        _, _, rows = heapq.heappop(waiting)
        parts = min(max(2, int(np.cbrt(len(rows)) + 1e-9)), most - len(waiting) - len(done))
        found = _divide(vectors[rows], parts) if len(rows) > 1 else []
        if len(found) < 2:
            done.append(rows)
            continue
        for part in found:
            heapq.heappush(waiting, (-len(part), made, rows[part]))
            made += 1
    return done + [rows for _, _, rows in waiting]


def _divide(vectors: Vectors, parts: int) -> list[Rows]:
    """Return the rows of each cluster that k-means finds; fewer than ``parts`` where vectors are equal."""
    import faiss

    if (vectors == vectors[0]).all():
        return []
    kmeans = faiss.Kmeans(vectors.shape[1], parts, niter=_ITERATIONS, seed=1, min_points_per_centroid=1)
    kmeans.train(vectors)
    nearest = kmeans.index.search(vectors, 1)[1][:, 0]
    order = np.argsort(nearest, kind="stable")
    return [part for part in np.split(order, np.flatnonzero(np.diff(nearest[order])) + 1) if len(part)]


def representative(vectors: Vectors, rows: Rows) -> int:
    """Return which of a cluster's rows is nearest to its centre; the latest of those equally near."""
    members = vectors[rows]
    distances = np.square(members - members.mean(axis=0)).sum(axis=1)
    return int(rows[len(rows) - 1 - int(np.argmin(distances[::-1]))])


@dataclass(frozen=True)
class Condenser:
    """Keeps the events that the pathways read one by one, and clusters the others.

    Args:
        config: the pathways.
        feature_names: the model's features.
        vectors: float32 [items, dim], by ``item_index``: items that are alike lie near each other.
    """

    config: PathwaysConfig
    feature_names: Sequence[str]
    vectors: Vectors

    def __call__(self, events: Events) -> Events:
        """Return at most ``short + positive + lifelong`` of the events, in their order."""
        if len(events) <= self.config.short + self.config.lifelong:
            return events
        kept = self._kept(events)
        others = np.flatnonzero(~kept)
        features = None if events.features is None else np.array(events.features)
        if len(others) <= self.config.lifelong:
            return events
        if self.config.lifelong:
            vectors = self.vectors[events.items[others]]
            for rows in clusters(vectors, self.config.lifelong):
                chosen = others[representative(vectors, rows)]
                kept[chosen] = True
                if features is not None:
                    self._average(features, int(chosen), others[rows])
        return Events(events.items[kept], None if features is None else features[kept])

    def _kept(self, events: Events) -> npt.NDArray[np.bool_]:
        """Say which events the short and the positive pathway read."""
        kept = np.zeros(len(events), dtype=bool)
        kept[-self.config.short :] = True
        liked = np.arange(len(events))
        if LIKED in self.feature_names:
            column = self.feature_names.index(LIKED)
            liked = liked[:0] if events.features is None else liked[events.features[:, column] == _YES]
        kept[liked[-self.config.positive :]] = True
        return kept

    def _average(self, features: npt.NDArray[np.integer], chosen: int, rows: Rows) -> None:
        """Give a representative its cluster's mean of the continuous features, where they are known."""
        for column, name in enumerate(self.feature_names):
            if name in CONTINUOUS:
                codes = features[rows, column]
                known = codes[codes > 0]
                features[chosen, column] = round(float(known.mean())) if len(known) else 0


def prefix_vectors(codes: npt.NDArray[np.integer], codebook_sizes: Sequence[int], dim: int = 32) -> Vectors:
    """Return a vector for each item from its semantic ID alone, float32 [items, dim].

    Every code of every level has a random direction, half as long as those of the level before, and an item is the
    sum of its codes' directions. Items are the nearer the longer the prefix that they share, which is what semantic
    IDs are made for, and a generator needs nothing but its catalogue to tell it.
    """
    rng = np.random.default_rng(0)
    vectors = np.zeros((len(codes), dim), dtype=np.float32)
    for level, size in enumerate(codebook_sizes):
        directions = rng.standard_normal((size, dim)).astype(np.float32)
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        vectors += directions[codes[:, level]] * 0.5**level
    return vectors


def condenser_of(config: PretrainedConfig, catalogue: Catalogue) -> Condenser | None:
    """Return what shortens histories for a model; None for one that reads histories whole.

    Args:
        config: the configuration of a model of the OneRec family.
        catalogue: gives the items' semantic IDs, by which their likeness is told.
    """
    pathways = config.shape.get("history", {}).get("pathways")
    if pathways is None:
        return None
    vectors = prefix_vectors(catalogue.codes, catalogue.codebook_sizes)
    return Condenser(PathwaysConfig.model_validate(pathways), config.feature_names, vectors)
