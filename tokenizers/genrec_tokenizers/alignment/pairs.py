"""Pairs of items that are used together, from the training part alone.

The two kinds are those of QARM (arXiv 2411.11739, known here from notes that agree with each other, not from the
paper's body):

- *U2I*: for each item a user comes to, the most similar of the user's latest 50 in a space of item IDs.
- *I2I*: an item's nearest by Swing similarity (Yang et al., "Large Scale Product Graph Construction for
  Recommendation in E-commerce", 2020, from memory).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from genrec.data.dataset import SPLITS, Dataset
from genrec.errors import DataError
from genrec_tokenizers.encoders.base import ItemVectors
from genrec_tokenizers.encoders.behavior import BehaviorEncoder

LATEST = 50  # items of a user among which the trigger is looked for, as in QARM
SWING_NEIGHBOURS = 5  # I2I partners an item
FEWEST_PAIRS = 10
_ROWS = 4096

Pairs = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ItemPairs:
    """Pairs to learn from, and pairs of the same kind that are held out to judge by.

    Args:
        train: int64 [pairs, 2], the smaller item first, none twice.
        held_out: as ``train``; no pair is in both.
        ids: the item vectors from behaviour alone in which triggers were looked for.
    """

    train: Pairs
    held_out: Pairs
    ids: ItemVectors


def item_pairs(dataset: Dataset, seed: int, held_out: float = 0.1, most_held_out: int = 2000) -> ItemPairs:
    """Return the U2I and I2I pairs of a dataset's training part, some of them held out at random.

    Args:
        dataset: only its training part is read.
        seed: of the ID space, of Swing's samples, and of the choice.
        held_out: share of the pairs held out, at least one.
        most_held_out: at most so many are held out.

    Raises:
        DataError: if there are hardly any pairs.
    """
    ids = BehaviorEncoder(seed=seed).encode(dataset)
    sequences = dataset.sequences
    kept = sequences.splits == SPLITS.index("train")
    users = np.repeat(np.arange(len(sequences)), np.diff(sequences.offsets))[kept]
    items = sequences.items[kept]
    similar = swing(users, items, len(dataset.items), seed=seed)
    found = np.concatenate([u2i_pairs(users, items, ids), i2i_pairs(similar, SWING_NEIGHBOURS)])
    pairs = np.unique(np.sort(found, axis=1), axis=0)
    if len(pairs) < FEWEST_PAIRS:
        raise DataError(
            f"The training part has {len(pairs)} pairs of items used together; alignment needs {FEWEST_PAIRS}.",
            "Filter the log less strictly, or do without: tokenize.fusion.kind=concatenation, "
            "tokenize.encoders.text.lora_rank=0.",
        )
    order = np.random.default_rng(seed).permutation(len(pairs))
    held = min(most_held_out, max(1, round(held_out * len(pairs))))
    return ItemPairs(pairs[np.sort(order[held:])], pairs[np.sort(order[:held])], ids)


def u2i_pairs(
    users: npt.NDArray[np.integer], items: npt.NDArray[np.integer], ids: ItemVectors, latest: int = LATEST
) -> Pairs:
    """Return, for each interaction, the most similar of the same user's ``latest`` ones before it, and its item.

    Similarity is the cosine of ``ids``. An item is not its own trigger; interactions without a candidate, or whose
    item ``ids`` does not know, give no pair.

    Args:
        users: [interactions], each user's together, oldest first.
        items: [interactions], ``item_index``.
        ids: the ID space.
        latest: how far back a trigger may lie, in interactions.

    Returns:
        int64 [pairs, 2], trigger and target.
    """
    lengths = np.maximum(np.linalg.norm(ids.vectors, axis=1, keepdims=True), 1e-12)
    unit = ids.vectors / lengths
    pairs = []
    for start in range(0, len(items), _ROWS):
        targets = np.arange(start, min(start + _ROWS, len(items)))
        earlier = targets[:, None] - np.arange(1, latest + 1)
        before = np.maximum(earlier, 0)
        fits = (earlier >= 0) & (users[before] == users[targets, None]) & (items[before] != items[targets, None])
        fits &= ids.known[items[before]] & ids.known[items[targets], None]
        likeness = np.einsum("td,tbd->tb", unit[items[targets]], unit[items[before]])
        best = np.where(fits, likeness, -np.inf).argmax(axis=1)
        rows = np.flatnonzero(fits.any(axis=1))
        pairs.append(np.stack([items[before[rows, best[rows]]], items[targets[rows]]], axis=1))
    return np.concatenate([*pairs, np.zeros((0, 2))]).astype(np.int64)


def swing(
    users: npt.NDArray[np.integer],
    items: npt.NDArray[np.integer],
    count: int,
    alpha: float = 1.0,
    most_items: int = 200,
    most_users: int = 500,
    seed: int = 0,
) -> sparse.csr_matrix:
    """Return Swing similarities: items whose common users have little else in common are alike.

        sim(i, j) = sum over pairs of users {u, v} who both have i and j of 1 / (alpha + |I_u ∩ I_v|)

    Args:
        users: [interactions], each user's together, oldest first.
        items: [interactions], ``item_index``.
        count: the number of items.
        alpha: smooths the weight of users with little in common.
        most_items: of a user's items only the latest so many count; bounds what heavy users cost.
        most_users: of an item's users a random so many count; bounds what popular items cost. Their similarities
            are those of the sample, so they are comparable within an item's row and not between rows.
        seed: of the samples.

    Returns:
        float32 [count, count] without a diagonal; symmetric unless an item has more than ``most_users`` users.
    """
    table = _user_items(users, items, count, most_items)
    by_item = table.tocsc()
    rng = np.random.default_rng(seed)
    rows = []
    for item in range(count):
        owners = by_item.indices[by_item.indptr[item] : by_item.indptr[item + 1]]
        if len(owners) > most_users:
            owners = np.sort(rng.choice(owners, most_users, replace=False))
        rows.append(_swing_row(table[owners], item, alpha))
    return sparse.vstack([*rows, sparse.csr_matrix((0, count), dtype=np.float32)]).tocsr()


def i2i_pairs(similar: sparse.csr_matrix, neighbours: int) -> Pairs:
    """Return each item with its ``neighbours`` most similar ones, int64 [pairs, 2]; ties go to the lower index."""
    rows = np.repeat(np.arange(similar.shape[0]), np.diff(similar.indptr))
    order = np.lexsort((similar.indices, -similar.data, rows))
    place = np.arange(len(order)) - similar.indptr[rows[order]]
    kept = order[place < neighbours]
    return np.stack([rows[kept], similar.indices[kept]], axis=1).astype(np.int64)


def _user_items(
    users: npt.NDArray[np.integer], items: npt.NDArray[np.integer], count: int, most: int
) -> sparse.csr_matrix:
    """Return float32 [users, items], 1 where a user has an item among the latest ``most`` interactions."""
    _, number, sizes = np.unique(users, return_inverse=True, return_counts=True)
    from_end = np.cumsum(sizes)[number] - np.arange(len(users))
    kept = from_end <= most
    ones = np.ones(int(kept.sum()), dtype=np.float32)
    table = sparse.csr_matrix((ones, (number[kept], items[kept])), shape=(len(sizes), count))
    table.data[:] = 1  # an item used again counts once
    return table


def _swing_row(owned: sparse.csr_matrix, item: int, alpha: float) -> sparse.csr_matrix:
    """Return one item's similarities, float32 [1, items]; ``owned`` is what its users have, [users, items]."""
    shared = np.flatnonzero(np.bincount(owned.indices, minlength=owned.shape[1]) > 1)  # the rest adds to no overlap
    dense = owned[:, shared].toarray()
    weights = 1 / (alpha + dense @ dense.T)
    np.fill_diagonal(weights, 0)
    sums = ((weights @ dense) * dense).sum(axis=0) / 2  # each pair of users was counted from either side
    sums[shared == item] = 0
    return sparse.csr_matrix(
        (sums[sums > 0], (np.zeros(int((sums > 0).sum()), dtype=int), shared[sums > 0])),
        shape=(1, owned.shape[1]),
        dtype=np.float32,
    )
