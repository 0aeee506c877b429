"""What an event tells besides its item, as small integers: the features of OneRec's histories.

behavior      the kind of action, a word of the log
value         its strength (a rating, seconds watched) in ten buckets that hold about equally many
gap           the time since the user's event before, in buckets that double: under 1 s, 1 s, 2–3 s, 4–7 s, …
domain        which market or product the event is from: the domain token of a catalogue of several
item:COLUMN   the first value of a column of the catalogue, such as item:genres; rare ones share a code
user:COLUMN   who the user is, by a column of the users, such as user:age; the same in all events of a user

0 is "unknown" everywhere: a word that training did not have, a first event's gap, a new item's column. All of it
is learned from the training part alone. The features of the event to be predicted are never an input: what is
known of an event when it happens (its value, say) is known of the *history* only.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from genrec.data.categories import MOST_WORDS, Buckets, Coder, Liked, Words, coder_from, stack
from genrec.data.dataset import Dataset
from genrec.data.events import ITEM, USER, check_names, events_of, first_words, typed_events
from genrec.data.profiles import read_users
from genrec.errors import ArtifactError, DataError

LIKED = "liked"  # made from behavior and value by a rule, see genrec.data.categories.Liked
_GAP_EDGES = tuple(float(2**power) for power in range(31))  # up to 34 years
_FEW = 20  # a column of the users with more different numbers is divided into buckets


@dataclass(frozen=True)
class Features:
    """How events become codes.

    Args:
        coders: the coder of each feature, by name, in the order of the columns.
        item_ids: the items whose catalogue columns are known.
        item_codes: int32 [items, item features], the codes of their ``item:`` features in the same order.
    """

    coders: Mapping[str, Coder]
    item_ids: Sequence[str] = ()
    item_codes: npt.NDArray[np.int32] = field(default_factory=lambda: np.zeros((0, 0), np.int32))

    @classmethod
    def fit(cls, dataset: Dataset, names: Sequence[str], liked: Liked | None = None) -> Features:
        """Learn vocabularies and buckets from the training part of a dataset.

        Args:
            dataset: the dataset.
            names: the features, in the order of the columns.
            liked: adds the column ``liked``, which tells by this rule whether an event is positive feedback.

        Raises:
            DataError: naming every feature that does not exist or that this dataset does not have.
        """
        train = dataset.interactions["split"] == "train"
        learned = events_of(dataset, ()).filter(train)
        if problems := check_names(names, learned, dataset):
            raise DataError(
                problems, "Change train.model.history.features, or import the columns with genrec data."
            )
        words = {name: first_words(dataset, name.removeprefix(ITEM)) for name in names if name.startswith(ITEM)}
        coders: dict[str, Coder] = {}
        for name in names:
            if name in words:
                coders[name] = Words.fit(words[name][dataset.sequences.items[train.to_numpy()]], MOST_WORDS)
            elif name.startswith(USER):
                coders[name] = _user_coder(dataset, name.removeprefix(USER), learned["user_id"])
            else:
                coders[name] = _log_coder(name, learned)
        if liked is not None:
            coders[LIKED] = liked
        if not words:
            return cls(coders)
        codes = [coders[name].encode(column) for name, column in words.items()]
        return cls(coders, dataset.item_ids, stack(codes, len(dataset.item_ids)))

    @property
    def names(self) -> tuple[str, ...]:
        """The features, in the order of the columns."""
        return tuple(self.coders)

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many codes each feature has, with 0, the unknown."""
        return tuple(coder.size for coder in self.coders.values())

    def table(self, dataset: Dataset) -> npt.NDArray[np.int32]:
        """Return the features of every interaction, int32 [interactions, features], aligned with ``sequences``."""
        return self._encode(events_of(dataset, self.names))

    def encode(
        self,
        items: Sequence[str],
        *,
        behaviors: Sequence[str | None] | None = None,
        values: Sequence[float | None] | None = None,
        timestamps: Sequence[int | None] | None = None,
        domains: Sequence[str | None] | None = None,
        user: Mapping[str, str] | None = None,
    ) -> npt.NDArray[np.int32]:
        """Return the features of one user's events, oldest first, int32 [events, features].

        Args:
            items: their ``item_id``; an item that training did not have is fine.
            behaviors: their kinds; whatever is not given is unknown.
            values: their strengths.
            timestamps: milliseconds since 1970.
            domains: where each is from.
            user: who the user is, by column; what the features do not read is ignored.

        Raises:
            DataError: naming every argument that is not one value an event, or not of the right kind.
        """
        return self._encode(typed_events(items, behaviors, values, timestamps, domains, user or {}))

    def _encode(self, events: pl.DataFrame) -> npt.NDArray[np.int32]:
        of_items = iter(self._item_columns(events["item_id"]))
        columns = [
            next(of_items) if name.startswith(ITEM) else coder.encode(_column(events, name))
            for name, coder in self.coders.items()
        ]
        return stack(columns, len(events))

    def _item_columns(self, items: pl.Series) -> npt.NDArray[np.int32]:
        """Return the codes of the ``item:`` features, int32 [item features, events]."""
        rows = pl.DataFrame({"item_id": items}).join(self._rows, on="item_id", how="left", maintain_order="left")
        unknown = np.zeros((1, self.item_codes.shape[1]), np.int32)
        codes = np.concatenate([self.item_codes, unknown])
        return codes[rows["item"].fill_null(len(self.item_ids)).to_numpy()].T

    @cached_property
    def _rows(self) -> pl.DataFrame:
        index = pl.int_range(len(self.item_ids), eager=True)
        return pl.DataFrame({"item_id": pl.Series(self.item_ids, dtype=pl.String), "item": index})

    def save(self, file: Path) -> None:
        """Write the features as JSON: enough to encode events without the dataset. It holds nothing of any user."""
        data = {
            "features": [{"name": name, **coder.to_dict()} for name, coder in self.coders.items()],
            "items": dict(zip(self.item_ids, self.item_codes.tolist(), strict=True)),
        }
        file.write_text(json.dumps(data, ensure_ascii=False) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, file: Path) -> Features:
        """Read what :meth:`save` wrote.

        Raises:
            ArtifactError: if the file is missing or broken.
        """
        try:
            data = json.loads(file.read_text(encoding="utf-8"))
            coders = {entry["name"]: coder_from(entry) for entry in data["features"]}
            items = data["items"]
            width = sum(name.startswith(ITEM) for name in coders)
            codes = np.asarray(list(items.values()), dtype=np.int32).reshape(len(items), width)
            return cls(coders, list(items), codes)
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise ArtifactError(
                f"{file} holds no readable features: {error}", "Train the generator again."
            ) from error


def _column(events: pl.DataFrame, name: str) -> pl.Series:
    """Return what a coder reads; nulls for a column of the users that is not known."""
    if name == LIKED:
        return events.select(pl.struct("behavior", "value"))["behavior"]
    return events[name] if name in events.columns else pl.Series([None] * len(events), dtype=pl.String)


def _log_coder(name: str, learned: pl.DataFrame) -> Coder:
    if name == "gap":
        return Buckets(_GAP_EDGES)
    return Buckets.fit(learned[name]) if name == "value" else Words.fit(learned[name])


def _user_coder(dataset: Dataset, name: str, learned: pl.Series) -> Coder:
    """Return the coder of a column of the users: buckets where it holds many numbers, else its frequent words."""
    users = [dataset.user_index_of[user] for user in learned.unique(maintain_order=True)]
    column = read_users(dataset)[name][users].drop_nulls()
    numbers = column.cast(pl.Float64, strict=False)
    many = numbers.n_unique() > _FEW and not numbers.null_count()
    return Buckets.fit(numbers) if many else Words.fit(column, MOST_WORDS)
