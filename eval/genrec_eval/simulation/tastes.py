"""What the log says of an item, of a user, and of the two together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from genrec_eval.simulation.arrays import Floats, Ints, logit, sigmoid
from genrec_eval.simulation.log import Log

COLUMNS = ("item", "user", "category", "factors")
_PRIOR = 5.0  # answers that an item's or a user's prior counts for
_WIDTH, _RIDGE, _ROUNDS = 8, 10.0, 10
_FOLDS = 5


@dataclass(frozen=True)
class Tastes:
    """Four columns for every pair of user and item, from answers that were counted.

    An item's share of likes is drawn towards that of its categories, and theirs towards everybody's, as if
    ``_PRIOR`` answers more had been given; a user's towards everybody's. What is left after these two is explained
    by the user's mean in the item's categories and, after that, by a factorisation (ridge regression in turns).

    Args:
        items: float64 [items], logit of the item's share of likes.
        users: float64 [users], logit of the user's.
        affinities: float64 [users, categories], mean of what is left.
        user_factors, item_factors: float64 [users, width] and [items, width].
        categories: float64 [items, categories], as in :class:`Log`.
    """

    items: Floats
    users: Floats
    affinities: Floats
    user_factors: Floats
    item_factors: Floats
    categories: Floats

    @classmethod
    def fit(cls, log: Log, rows: Ints, seed: int = 0) -> Tastes:
        """Learn from some rows of a log."""
        users, items, liked = log.users[rows], log.items[rows], log.liked[rows].astype(np.float64)
        shape = len(log.user_ids), len(log.categories)
        item_logits, user_logits, base = _rates(users, items, liked, shape, log.categories)
        left = liked - sigmoid(item_logits[items] + user_logits[users] - base)
        belonging = log.categories[items]
        places = sparse.csr_array((np.ones(len(rows)), (users, np.arange(len(rows)))), (shape[0], len(rows)))
        affinities = (places @ (belonging * left[:, None])) / (places @ belonging + _PRIOR)
        left = left - (belonging * affinities[users]).sum(axis=1)
        factors = _factorise(users, items, left, shape, seed)
        return cls(item_logits, user_logits, affinities, *factors, log.categories)

    def columns(self, users: Ints, items: Ints) -> Floats:
        """Return ``COLUMNS`` of pairs, float64 [pairs, 4]."""
        alike = (self.categories[items] * self.affinities[users]).sum(axis=1)
        product = (self.user_factors[users] * self.item_factors[items]).sum(axis=1)
        return np.stack([self.items[items], self.users[users], alike, product], axis=1)

    def usual(self, users: Ints) -> Floats:
        """Return the share of likes that is usual for users, float64 [users]."""
        return sigmoid(self.users[users])


def columns_out_of_fold(log: Log, rows: Ints, seed: int = 0) -> Floats:
    """Return the columns of rows as learned from the other folds, float64 [rows, 4].

    A row's own answer counts in its item's share and its user's, so columns learned from all rows would promise
    more than they hold for rows to come.
    """
    folds = np.random.default_rng(seed).permutation(len(rows)) % _FOLDS
    columns = np.zeros((len(rows), len(COLUMNS)))
    for fold in range(_FOLDS):
        out = folds == fold
        tastes = Tastes.fit(log, rows[~out], seed)
        columns[out] = tastes.columns(log.users[rows[out]], log.items[rows[out]])
    return columns


def _rates(
    users: Ints, items: Ints, liked: Floats, shape: tuple[int, int], categories: Floats
) -> tuple[Floats, Floats, float]:
    """Return the logits of the items' and the users' drawn shares of likes, and of everybody's."""
    overall = (liked.sum() + 1.0) / (len(liked) + 2.0)
    likes, counts = _count(items, liked, shape[1]), _count(items, np.ones(len(items)), shape[1])
    of_category = _drawn(categories.T @ likes, categories.T @ counts, overall)
    prior = categories @ of_category + (1 - categories.sum(axis=1)) * overall
    of_user = _drawn(_count(users, liked, shape[0]), _count(users, np.ones(len(users)), shape[0]), overall)
    return logit(_drawn(likes, counts, prior)), logit(of_user), float(logit(np.array(overall)))


def _count(of: Ints, weights: Floats, size: int) -> Floats:
    return np.bincount(of, weights, size).astype(np.float64)


def _drawn(likes: Floats, counts: Floats, prior: Floats | float) -> Floats:
    return (likes + _PRIOR * prior) / (counts + _PRIOR)


def _factorise(users: Ints, items: Ints, left: Floats, shape: tuple[int, int], seed: int) -> tuple[Floats, Floats]:
    """Return factors whose products explain what is left, by alternating ridge regressions."""
    rng = np.random.default_rng(seed)
    of_users, of_items = np.zeros((shape[0], _WIDTH)), rng.normal(scale=0.1, size=(shape[1], _WIDTH))
    values = sparse.csr_array((left, (users, items)), shape)
    known = sparse.csr_array((np.ones(len(left)), (users, items)), shape)
    turned = values.T.tocsr(), known.T.tocsr()
    for _ in range(_ROUNDS):
        of_users = _ridge(values, known, of_items)
        of_items = _ridge(*turned, of_users)
    return of_users, of_items


def _ridge(values: sparse.csr_array, known: sparse.csr_array, others: Floats) -> Floats:
    """Return the ridge regression of each row's values on the others' factors, float64 [rows, width]."""
    squares = (others[:, :, None] * others[:, None, :]).reshape(len(others), -1)
    gram = (known @ squares).reshape(-1, _WIDTH, _WIDTH) + _RIDGE * np.eye(_WIDTH)
    solved: Floats = np.linalg.solve(gram, (values @ others)[:, :, None])[:, :, 0]
    return solved
