"""Behaviour vectors of a trained SASRec: the items' rows in its embedding table.

Stronger than counting (:mod:`genrec_tokenizers.encoders.behavior`) where order matters, and slower. Only the
training part is read, and a slice of its own users decides when to stop, so that nothing of a validation or test
target leaks into its item's ID.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from genrec.console import remark
from genrec.data.dataset import Dataset
from genrec.errors import DataError
from genrec.models.sasrec import SasrecConfig
from genrec_tokenizers.encoders.base import Encoder, ItemVectors, unknown

STOPPING_USERS = 0.05  # share of the users whose training histories say when to stop, and teach nothing
MOST_STOPPING_USERS = 1000
PATIENCE = 3
STEPS, LARGEST_BATCH = 50, 64  # a small log gets small batches, so that a few epochs do


class SasrecEncoder(Encoder):
    """Item embeddings of a SASRec trained on the training part.

    An item that is in no training history of two items or more is not ``known``.

    Args:
        dim: dimensions of the vectors; even, since SASRec has two heads.
        epochs: passes over the training part, at most.
        seed: of the weights, the order of training and the choice of stopping users.
    """

    name = "behavior"

    def __init__(self, dim: int = 64, epochs: int = 25, seed: int = 0) -> None:
        self._dim = dim
        self.epochs = epochs
        self.seed = seed

    @property
    def dim(self) -> int:
        """Dimensions of the vectors."""
        return self._dim

    def encode(self, dataset: Dataset) -> ItemVectors:
        """Return float32 [items, dim].

        Raises:
            DataError: if fewer than two users have two interactions in the training part.
        """
        from genrec.models.sasrec.training import pad, train_sasrec

        histories = [history for history in dataset.sequences.part("train") if len(history) > 1]
        if len(histories) < 2:
            raise DataError(
                "Fewer than two users have two interactions in the training part: nothing to train SASRec on.",
                "Set tokenize.encoders.behavior.kind=ppmi or behavior.weight=0, or filter the log less strictly.",
            )
        batch_size = int(np.clip(len(histories) // STEPS, 4, LARGEST_BATCH))
        config = SasrecConfig(embedding_size=self.dim, epochs=self.epochs, patience=PATIENCE, batch_size=batch_size)
        items = len(dataset.items)
        order = np.random.default_rng(self.seed).permutation(len(histories))
        held = min(MOST_STOPPING_USERS, max(1, round(STOPPING_USERS * len(histories))))
        stopping = pad([histories[user][-config.history_length - 1 :] for user in order[:held]], items)
        learning = [histories[user] for user in sorted(order[held:])]
        model, epochs, best = train_sasrec(learning, items, config, self.seed, lambda model: model.score(stopping))
        remark(f"SASRec vectors: {epochs} epochs; loss of {held:,} held-out training histories {-(best or 0):.3f}")
        known = np.zeros(items, dtype=bool)
        known[np.concatenate(learning)] = True
        vectors = model.embedding.weight[:items].detach().cpu().numpy().copy()
        vectors[~known] = 0
        return ItemVectors(vectors, known)

    def encode_new(self, items: pl.DataFrame) -> ItemVectors:
        """Return zeros, all unknown: nobody has used these items yet."""
        return unknown(len(items), self.dim)
