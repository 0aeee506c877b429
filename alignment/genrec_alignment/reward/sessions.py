"""Sessions of a log as training rows: pieces of at most m items, each with what its user did strictly before it.

A piece never reads an event of its own moment: the rows of one request share their timestamp, and what was clicked
beside an item is not known when it is shown. Test interactions are in no piece and in no history.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from genrec.data import Dataset, SessionRows
from genrec.data.dataset import SPLITS
from genrec_alignment.reward.config import RewardConfig
from genrec_alignment.reward.labels import Labels, interaction_labels

Ints = npt.NDArray[np.int64]
_TEST = SPLITS.index("test")


@dataclass(frozen=True)
class Pieces:
    """Sessions to be judged.

    Args:
        users: int64 [pieces], ``user_index``.
        items: int64 [pieces, m], ``item_index``; -1 is padding.
        rows: int64 [pieces, m], each item's row of the log; -1 for one that was sampled, and padding.
        starts: int64 [pieces], where each history begins in :attr:`SessionLog.kept`.
        stops: int64 [pieces], where it ends.
        labels: float32 [pieces, objectives], from 0 to 1.
    """

    users: Ints
    items: Ints
    rows: Ints
    starts: Ints
    stops: Ints
    labels: Labels

    def __len__(self) -> int:
        return len(self.users)

    def __getitem__(self, rows: npt.NDArray[np.integer] | slice) -> Pieces:
        return Pieces(*(getattr(self, field.name)[rows] for field in fields(self)))


class SessionLog:
    """A dataset's sessions with their labels.

    Args:
        dataset: must have sessions.
        config: what counts, and how sessions are labelled.

    Raises:
        DataError: if there are no sessions, or an objective cannot be had.
    """

    def __init__(self, dataset: Dataset, config: RewardConfig) -> None:
        self.dataset, self.config = dataset, config
        self.parts = {part: dataset.session_rows(part) for part in ("train", "valid")}
        self.labels = interaction_labels(dataset, config)
        sequences = dataset.sequences
        #: The rows of the dataset that a history may have, ascending.
        self.kept = np.flatnonzero(sequences.splits != _TEST)
        before = np.searchsorted(self.kept, np.arange(len(sequences.items)))
        owners = np.repeat(np.arange(len(sequences)), np.diff(sequences.offsets))
        self._start = before[sequences.offsets[owners]] if len(owners) else before
        self._stop = before[_first_of_moment(owners, sequences.timestamps)]

    def pieces(self, part: str, users: Ints, size: int, rng: np.random.Generator | None = None) -> Pieces:
        """Return the sessions of some users, cut into pieces in their order.

        Args:
            part: ``train`` or ``valid``.
            users: their indices.
            size: items of a piece, at most.
            rng: draws the size of each session's pieces, from 1 to ``size``, and where they begin; None: all have
                ``size``, from the first item on.
        """
        sessions = self.parts[part]
        cuts, places = _cut(sessions, size, rng)
        rows = np.full((int(cuts[-1]) + 1 if len(cuts) else 0, size), -1, dtype=np.int64)
        rows[cuts, places] = sessions.rows
        first = rows[:, 0]
        owners = np.searchsorted(self.dataset.sequences.offsets, first, side="right") - 1
        chosen = np.isin(owners, users)
        return self._gather(rows[chosen], owners[chosen])

    def _gather(self, rows: Ints, owners: Ints) -> Pieces:
        items = np.where(rows >= 0, self.dataset.sequences.items[rows], -1).astype(np.int64)
        first = rows[:, 0]
        return Pieces(owners, items, rows, self._start[first], self._stop[first], self._labels(items, rows))

    def item_labels(self, rows: Ints) -> Labels:
        """Return what each item of pieces counts for, float32 [pieces, m, objectives]; 0 where it was sampled."""
        return np.where(rows[..., None] >= 0, self.labels[rows], np.float32(0))

    def _labels(self, items: Ints, rows: Ints) -> Labels:
        counts = self.item_labels(rows)
        share = counts.sum(1) / (items >= 0).sum(1)[:, None]
        return (counts.max(1) if self.config.session_label == "any" else share).astype(np.float32)

    def with_sampled(self, pieces: Pieces, rng: np.random.Generator) -> Pieces:
        """Return the pieces, and each of them again with about half of its items replaced.

        What replaces an item is drawn uniformly from the items of which the log has no row of the user outside of
        the test part; it counts for no objective. A piece of one item is replaced whole.
        """
        real = pieces.items >= 0
        replaced = real & (rng.random(real.shape) < 0.5)
        replaced[:, 0] |= ~replaced.any(1)
        items, rows = pieces.items.copy(), np.where(replaced, -1, pieces.rows)
        owners = np.broadcast_to(pieces.users[:, None], items.shape)[replaced]
        items[replaced] = self._unmet(owners, rng)
        again = Pieces(pieces.users, items, rows, pieces.starts, pieces.stops, self._labels(items, rows))
        return _joined(pieces, again)

    def _unmet(self, owners: Ints, rng: np.random.Generator) -> Ints:
        """Return one item that each of ``owners`` never met; after 20 draws a met one is taken as it is."""
        count, sequences = len(self.dataset.items), self.dataset.sequences
        users = np.searchsorted(sequences.offsets, self.kept, side="right") - 1
        met = np.unique(users * count + sequences.items[self.kept])
        drawn = rng.integers(count, size=len(owners))
        for _ in range(20):
            again = np.flatnonzero(np.isin(owners * count + drawn, met))
            if not len(again):
                break
            drawn[again] = rng.integers(count, size=len(again))
        return drawn


def _cut(sessions: SessionRows, size: int, rng: np.random.Generator | None) -> tuple[Ints, Ints]:
    """Return the number of each row's piece, ascending, and its place within it."""
    lengths = np.diff(sessions.offsets)
    sizes = np.full(len(sessions), size) if rng is None else rng.integers(1, size + 1, len(sessions))
    skipped = np.zeros(len(sessions), dtype=np.int64) if rng is None else rng.integers(0, sizes)
    of = np.repeat(np.arange(len(sessions)), lengths)
    moved = np.arange(len(sessions.rows)) - sessions.offsets[:-1][of] + skipped[of]
    piece = moved // sizes[of]
    new = (np.diff(of, prepend=-1) != 0) | (np.diff(piece, prepend=-1) != 0)
    starts = np.flatnonzero(new)
    cuts = new.cumsum() - 1
    return cuts, np.arange(len(cuts)) - starts[cuts]


def _first_of_moment(owners: Ints, timestamps: Ints) -> Ints:
    """Return for each row the first row of its user and its timestamp."""
    rows = np.arange(len(owners))
    new = (np.diff(owners, prepend=-1) != 0) | (np.diff(timestamps, prepend=-1) != 0)
    return np.maximum.accumulate(np.where(new, rows, 0)) if len(rows) else rows


def _joined(left: Pieces, right: Pieces) -> Pieces:
    pairs = ((getattr(left, field.name), getattr(right, field.name)) for field in fields(Pieces))
    return Pieces(*(np.concatenate(pair) for pair in pairs))
