"""The canonical dataset: items, interactions, and what every later stage reads from them.

``items.parquet``         item_id, title, then any further text columns, optionally ``image`` (a path)
``interactions.parquet``  user_id, item_id, timestamp, split, and optionally behavior, value, domain,
                          request_id, position, session

Items are sorted by ``item_id``, so ``item_index`` is the row. Interactions are sorted by user and time.
``timestamp`` is int64: milliseconds since 1970 where the log has times, else the position in the user's
sequence (the manifest's ``time_unit`` says which: ``ms`` or ``ordinal``). ``split`` is ``train``,
``valid``, ``test``, or ``context`` (seen as history but never learned from nor predicted).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from genrec.data.examples import Examples, SessionExamples, SessionRows, distinct, group_sessions
from genrec.errors import DataError, UnknownNameError
from genrec.runs import Manifest, open_artifact

SPLITS = ("train", "valid", "test", "context")


@dataclass(frozen=True)
class Sequences:
    """Every user's interactions, oldest first, as one flat array with offsets.

    Args:
        offsets: int64 [users + 1]; user u owns rows ``offsets[u]:offsets[u + 1]``.
        items: int32 [interactions], ``item_index``.
        timestamps: int64 [interactions].
        splits: uint8 [interactions], positions in ``SPLITS``.
        sessions: int64 [interactions], the number of each one's session; None where none were cut.
        behaviors: String [interactions], null where it is not known; None where the log has none.
        values: float64 [interactions], NaN where it is not known; None where the log has none.
    """

    offsets: npt.NDArray[np.int64]
    items: npt.NDArray[np.int32]
    timestamps: npt.NDArray[np.int64]
    splits: npt.NDArray[np.uint8]
    sessions: npt.NDArray[np.int64] | None = None
    behaviors: pl.Series | None = None
    values: npt.NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def part(self, split: str) -> Iterator[npt.NDArray[np.int32]]:
        """Yield, user by user, the items of one split, oldest first."""
        code = SPLITS.index(split)
        for start, stop in zip(self.offsets[:-1], self.offsets[1:], strict=True):
            yield self.items[start:stop][self.splits[start:stop] == code]


@dataclass(frozen=True)
class Dataset:
    """A dataset artefact in memory."""

    path: Path
    manifest: Manifest
    items: pl.DataFrame
    interactions: pl.DataFrame

    @classmethod
    def load(cls, path: Path) -> Dataset:
        """Open the dataset artefact at ``path``.

        Raises:
            ArtifactError: if there is none.
        """
        manifest = open_artifact(path, "dataset")
        items, interactions = (pl.read_parquet(path / f"{name}.parquet") for name in ("items", "interactions"))
        return cls(path, manifest, items, interactions)

    @cached_property
    def item_ids(self) -> list[str]:
        """``item_id`` by ``item_index``."""
        return self.items["item_id"].to_list()

    @cached_property
    def user_ids(self) -> list[str]:
        """``user_id`` by ``user_index``, sorted."""
        return self.interactions["user_id"].unique(maintain_order=True).to_list()

    @cached_property
    def user_index_of(self) -> dict[str, int]:
        """``user_index`` by ``user_id``."""
        return {user: index for index, user in enumerate(self.user_ids)}

    @property
    def titles(self) -> list[str]:
        """Text to show for each item: its title, or its id where that is missing or empty."""
        title = pl.col("title") if "title" in self.items.columns else pl.lit(None, dtype=pl.String)
        shown = pl.when(title.fill_null("") == "").then(pl.col("item_id")).otherwise(title)
        return self.items.select(shown.alias("shown"))["shown"].to_list()

    @cached_property
    def sequences(self) -> Sequences:
        """The users' histories as flat arrays."""
        index = pl.DataFrame({"item_id": self.item_ids, "item": np.arange(len(self.item_ids), dtype=np.int32)})
        rows = self.interactions.join(index, on="item_id", how="left", maintain_order="left")
        counts = rows.group_by("user_id", maintain_order=True).len()["len"].to_numpy()
        code = rows["split"].cast(pl.String).replace_strict(list(SPLITS), range(len(SPLITS)), return_dtype=pl.UInt8)
        return Sequences(
            offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            items=rows["item"].to_numpy().astype(np.int32),
            timestamps=rows["timestamp"].to_numpy().astype(np.int64),
            splits=code.to_numpy(),
            sessions=rows["session"].to_numpy() if "session" in rows.columns else None,
            behaviors=rows["behavior"] if "behavior" in rows.columns else None,
            values=rows["value"].fill_null(np.nan).to_numpy() if "value" in rows.columns else None,
        )

    def examples(self, split: str, users: npt.NDArray[np.integer] | None = None) -> Examples:
        """Return the prediction tasks of a split: one for each of its interactions.

        Args:
            split: ``valid`` or ``test``.
            users: only these users, by index; None for all.
        """
        sequences = self.sequences
        rows = np.flatnonzero(sequences.splits == SPLITS.index(split))
        owners = np.searchsorted(sequences.offsets, rows, side="right") - 1
        if users is not None:
            kept = np.isin(owners, users)
            rows, owners = rows[kept], owners[kept]
        starts = sequences.offsets[owners]
        return Examples(
            owners, sequences.items[rows].astype(np.int64), _slices(sequences.items, starts, rows), starts, rows
        )

    def session_rows(self, split: str) -> SessionRows:
        """Return the rows of one split, gathered by session.

        A session that a split divides (some cut by time) counts with its rows in this split alone.

        Raises:
            DataError: if the dataset has no sessions.
        """
        sequences = self.sequences
        if sequences.sessions is None:
            raise DataError(
                f"{self.path} has no sessions.",
                "Make it again with data.sessions.by=gap, request or count (docs/data.md).",
            )
        rows = np.flatnonzero(sequences.splits == SPLITS.index(split))
        return group_sessions(rows, sequences.sessions[rows], sequences.offsets)

    def training_sessions(self) -> SessionRows:
        """Return the rows of the training part, gathered by session; see :meth:`session_rows`."""
        return self.session_rows("train")

    def session_examples(self, split: str, users: npt.NDArray[np.integer] | None = None) -> SessionExamples:
        """Return one prediction task for each session of a split.

        The history is every event of the user that stands before the session's first one, whatever its split.

        Args:
            split: ``valid`` or ``test``.
            users: only these users, by index; None for all.

        Raises:
            DataError: if the dataset has no sessions.
        """
        sessions, sequences = self.session_rows(split), self.sequences
        targets = [distinct(sequences.items[sessions[at]]) for at in range(len(sessions))]
        starts, stops = sequences.offsets[sessions.users], sessions.first
        histories = _slices(sequences.items, starts, stops)
        examples = SessionExamples(sessions.users, targets, histories, starts, stops)
        return examples if users is None else examples[np.flatnonzero(np.isin(sessions.users, users))]

    def history(self, user_id: str) -> npt.NDArray[np.int32]:
        """Return everything a user did, oldest first, as item indices.

        Raises:
            UnknownNameError: if there is no such user.
        """
        if user_id not in self.user_index_of:
            raise UnknownNameError("user", user_id, self.user_ids)
        user = self.user_index_of[user_id]
        return self.sequences.items[self.sequences.offsets[user] : self.sequences.offsets[user + 1]]


def _slices(
    items: npt.NDArray[np.int32], starts: npt.NDArray[np.int64], stops: npt.NDArray[np.int64]
) -> list[npt.NDArray[np.int32]]:
    return [items[start:stop] for start, stop in zip(starts, stops, strict=True)]
