"""The scorer in numpy: how a user will take an item, given what was shown before it.

As in arXiv:2208.09577 the item attends to what was watched, answers included, and experts shared by three heads
(MMoE) give the probabilities that the user goes on, views and likes. Ours: what a plan has placed but nobody has
seen yet is read by the same attention, marked as pending; the rest of the shape; and the sizes.

Weights, by name (``genrec_alignment.reranking.network`` has the same, so its state_dict is the file):

    query.weight [h, d]             keys.weight, values.weight [h, d + 5]
    alike, decay, sink [heads]      feature_mean, feature_scale [f]
    experts.weight [e·h, x]         experts.bias [e·h]            x = 2h + 5·heads + f + 1
    gates.weight [3·e, x]           heads.weight [3, h]           heads.bias [3]
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from genrec.errors import DataError
from genrec.reranking.marks import EARLIER, MARKS, Float32, Float64, Int64, Past, pending
from genrec.reranking.search import Judge


@dataclass(frozen=True)
class Shape:
    """Sizes of a scorer.

    Args:
        dims: of an item's vector.
        features: names of what the server says of an item in a list, such as the generator's score.
        hidden: width; a multiple of ``heads``.
        heads: of the attention.
        experts: shared by the three probabilities.
        past: how many of the latest events are read.
    """

    dims: int
    features: tuple[str, ...]
    hidden: int
    heads: int
    experts: int
    past: int

    def weights(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of every weight, by name."""
        h, seen = self.hidden, self.dims + len(MARKS)
        read = 2 * h + len(MARKS) * self.heads + len(self.features) + 1
        return {
            "query.weight": (h, self.dims),
            "keys.weight": (h, seen),
            "values.weight": (h, seen),
            "alike": (self.heads,),
            "decay": (self.heads,),
            "sink": (self.heads,),
            "feature_mean": (len(self.features),),
            "feature_scale": (len(self.features),),
            "experts.weight": (self.experts * h, read),
            "experts.bias": (self.experts * h,),
            "gates.weight": (3 * self.experts, read),
            "heads.weight": (3, h),
            "heads.bias": (3,),
        }


@dataclass(frozen=True)
class Worth:
    """An item's worth: ``view`` · p(viewed) + ``like`` · p(liked). The paper's α and β; the values are ours."""

    view: float = 1.0
    like: float = 1.0


class ListScorer(ABC):
    """What a session and a search ask of a scorer, whatever computes it.

    Args:
        shape: its sizes.
    """

    def __init__(self, shape: Shape) -> None:
        self.shape = shape

    @abstractmethod
    def open(self, past: Past, vectors: Float32, features: Float32) -> Callable[[Int64], Float32]:
        """Return what gives the outcomes of one list after one past; arguments as for :meth:`outcomes`."""

    def judge(self, past: Past, vectors: Float32, features: Float32, worth: Worth | None = None) -> Judge:
        """Return what :func:`~genrec.reranking.search.plan` asks, for one list after one past.

        Args:
            past: what was shown so far; its latest ``shape.past`` events are read.
            vectors: float32 [items, dims], of the items of the list.
            features: float32 [items, features].
            worth: what views and likes count; None for the default.
        """
        asked, worth = self.open(past, vectors, features), worth or Worth()

        def judge(placed: Int64) -> tuple[Float64, Float64]:
            found = asked(placed).astype(np.float64)
            return worth.view * found[..., 1] + worth.like * found[..., 2], found[..., 0]

        return judge

    def outcomes(self, past: Past, vectors: Float32, features: Float32, placed: Int64) -> Float32:
        """Return p(goes on), p(viewed), p(liked) of every item as the next one, float32 [orders, items, 3].

        Args:
            past: as in :meth:`judge`.
            vectors: float32 [items, dims].
            features: float32 [items, features].
            placed: int64 [orders, depth], items of the list that are shown before, in order.
        """
        return self.open(past, vectors, features)(placed)

    def check(self, vectors: Float32, features: Float32) -> None:
        """Refuse vectors and features of a list that are not of this scorer's sizes.

        Raises:
            DataError: if they are not, or not finite.
        """
        problems = []
        if vectors.ndim != 2 or vectors.shape[1] != self.shape.dims:
            problems.append(f"Vectors of a list are [items, {self.shape.dims}] here, not {vectors.shape}.")
        if features.shape != (len(vectors), len(self.shape.features)):
            names = ", ".join(self.shape.features) or "none"
            problems.append(
                f"Features are [{len(vectors)}, {len(self.shape.features)}] ({names}), not {features.shape}."
            )
        if not (np.isfinite(vectors).all() and np.isfinite(features).all()):
            problems.append("Vectors or features of a list hold NaN or infinity.")
        if problems:
            raise DataError(problems, "Give one row an item, as the scorer was trained on them.")


class Scorer(ListScorer):
    """A trained scorer, run by numpy.

    Args:
        shape: its sizes.
        weights: float32, by name, of the shapes that ``shape.weights()`` says.
    """

    def __init__(self, shape: Shape, weights: Mapping[str, Float32]) -> None:
        super().__init__(shape)
        self.weights = dict(weights)

    def open(self, past: Past, vectors: Float32, features: Float32) -> Callable[[Int64], Float32]:
        """Return what gives the outcomes of one list after one past."""
        return _List(self, past, vectors, features).outcomes


class _List:
    """One list after one past: all that does not depend on what a plan has placed is computed once."""

    def __init__(self, scorer: Scorer, past: Past, vectors: Float32, features: Float32) -> None:
        scorer.check(vectors, features)
        self._shape, self._w = scorer.shape, scorer.weights
        seen = len(past.vectors) - min(len(past.vectors), scorer.shape.past)
        shown = np.concatenate([past.vectors[seen:], past.marks[seen:]], axis=1)
        waiting = np.concatenate([vectors, np.tile(pending(), (len(vectors), 1))], axis=1)
        self._alike = vectors @ past.vectors[seen:].T, vectors @ vectors.T
        self._query = vectors @ self._w["query.weight"].T
        self._shown, self._waiting = self._read(shown), self._read(waiting)
        self._features = (features - self._w["feature_mean"]) / self._w["feature_scale"]
        self._position = int((past.marks[:, EARLIER] == 0).sum())

    def _read(self, events: Float32) -> tuple[Float32, Float32]:
        """Return keys [events, heads, e] and values with marks [events, heads, e + 5]."""
        parts = (len(events), self._shape.heads, self._shape.hidden // self._shape.heads)
        keys = (events @ self._w["keys.weight"].T).reshape(parts)
        values = (events @ self._w["values.weight"].T).reshape(parts)
        marks = np.repeat(events[:, None, -len(MARKS) :], self._shape.heads, axis=1)
        return keys, np.concatenate([values, marks], axis=2)

    def outcomes(self, placed: Int64) -> Float32:
        orders, depth = placed.shape
        pooled = self._attend(placed)
        items = pooled.shape[1]
        position = np.full((orders, items, 1), np.log1p(self._position + depth), np.float32)
        same = [np.broadcast_to(part, (orders, *part.shape)) for part in (self._query, self._features)]
        return self._heads(np.concatenate([same[0], pooled, same[1], position], axis=2))

    def _attend(self, placed: Int64) -> Float32:
        """Return what each item reads of the past and of what is placed, float32 [orders, items, h + 5·heads]."""
        shape, depth = self._shape, placed.shape[1]
        query = self._query.reshape(len(self._query), shape.heads, -1)
        old = np.einsum("ihe,the->iht", query, self._shown[0])
        waiting = np.einsum("ihe,jhe->jih", query, self._waiting[0])[placed].transpose(0, 2, 3, 1)
        logits = np.concatenate([np.broadcast_to(old, (len(placed), *old.shape)), waiting], axis=3)
        logits = logits / np.sqrt(query.shape[2]) + self._w["alike"][:, None] * self._similar(placed)[:, :, None]
        ages = np.arange(logits.shape[3], 0, -1, dtype=np.float32)
        fading = np.logaddexp(0, self._w["decay"])[:, None] * np.log(ages)
        weights = _softmax_with_sink(logits - fading, self._w["sink"])
        split = weights.shape[3] - depth
        read = np.einsum("niht,thv->nihv", weights[..., :split], self._shown[1])
        read += np.einsum("nihd,ndhv->nihv", weights[..., split:], self._waiting[1][placed])
        return read.reshape(*read.shape[:2], -1).astype(np.float32)

    def _similar(self, placed: Int64) -> Float32:
        """Return inner products of each item and each event, float32 [orders, items, t]."""
        old, waiting = self._alike
        return np.concatenate([np.broadcast_to(old, (len(placed), *old.shape)), waiting[placed].mT], axis=2)

    def _heads(self, read: Float32) -> Float32:
        shape, w = self._shape, self._w
        hidden = np.maximum(read @ w["experts.weight"].T + w["experts.bias"], 0)
        hidden = hidden.reshape(*read.shape[:2], shape.experts, shape.hidden)
        gates = np.exp(_log_softmax((read @ w["gates.weight"].T).reshape(*read.shape[:2], 3, shape.experts)))
        logits = ((gates @ hidden) * w["heads.weight"]).sum(axis=3) + w["heads.bias"]
        return (1 / (1 + np.exp(-logits))).astype(np.float32)


def _log_softmax(logits: Float32) -> Float32:
    shifted = logits - logits.max(axis=-1, keepdims=True)
    found: Float32 = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return found


def _softmax_with_sink(logits: Float32, sink: Float32) -> Float32:
    """Return attention over events [..., heads, t] beside a sink that is always there and gives nothing."""
    always = np.broadcast_to(sink[:, None], (*logits.shape[:-1], 1))
    return np.exp(_log_softmax(np.concatenate([logits, always], axis=-1)))[..., :-1]
