"""What an event tells besides its item, as small integers: the features of OneRec's histories.

behavior      the kind of action, a word of the log
value         its strength (a rating, seconds watched) in ten buckets that hold about equally many
gap           the time since the user's event before, in buckets that double: under 1 s, 1 s, 2–3 s, 4–7 s, …
domain        which market or product the event is from: the domain token of a catalogue of several
item:COLUMN   the first value of a column of the catalogue, such as item:genres; rare ones share a code

0 is "unknown" everywhere: a word that training did not have, a first event's gap, a new item's column. All of it
is learned from the training part alone. The features of the event to be predicted are never an input: what is
known of an event when it happens (its value, say) is known of the *history* only.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from genrec.data.categories import MOST_WORDS, Buckets, Coder, Words, coder_from, stack
from genrec.data.dataset import Dataset
from genrec.errors import ArtifactError, DataError, suggest

ITEM = "item:"
LOG_FEATURES = ("behavior", "value", "gap", "domain")
# Of a session's first event the gap is hours or days; 2**30 seconds are 34 years.
_GAP_EDGES = tuple(float(2**power) for power in range(31))


@dataclass(frozen=True)
class Features:
    """How events become codes.

    Args:
        coders: the coder of each feature, by name, in the order of the columns.
        item_ids: the items whose catalogue columns are known.
        item_codes: int32 [items, item features], the codes of their ``item:`` features in the same order.
    """

    coders: Mapping[str, Coder]
    item_ids: Sequence[str]
    item_codes: npt.NDArray[np.int32]

    @classmethod
    def fit(cls, dataset: Dataset, names: Sequence[str]) -> Features:
        """Learn vocabularies and buckets from the training part of a dataset.

        Raises:
            DataError: naming every feature that does not exist or that this dataset does not have.
        """
        events = _events(dataset)
        learned = events.filter(dataset.interactions["split"] == "train")
        _check(names, learned, dataset)
        words = {name: _first_word(dataset.items[name.removeprefix(ITEM)]) for name in names if _of_item(name)}
        rows = dataset.sequences.items[dataset.interactions["split"].to_numpy() == "train"]
        coders: dict[str, Coder] = {}
        for name in names:
            if _of_item(name):
                coders[name] = Words.fit(words[name][rows], MOST_WORDS)
            else:
                coders[name] = _log_coder(name, learned)
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
        return self._encode(_events(dataset))

    def encode(
        self,
        items: Sequence[str],
        *,
        behaviors: Sequence[str | None] | None = None,
        values: Sequence[float | None] | None = None,
        timestamps: Sequence[int | None] | None = None,
        domains: Sequence[str | None] | None = None,
    ) -> npt.NDArray[np.int32]:
        """Return the features of one user's events, oldest first, int32 [events, features].

        Args:
            items: their ``item_id``; an item that training did not have is fine.
            behaviors: their kinds; whatever is not given is unknown.
            values: their strengths.
            timestamps: milliseconds since 1970.
            domains: where each is from.

        Raises:
            DataError: naming every argument that is not one value an event, or not of the right kind.
        """
        given = {"behavior": behaviors, "value": values, "timestamp": timestamps, "domain": domains}
        columns, problems = {"item_id": pl.Series(items, dtype=pl.String)}, []
        for (name, column), dtype in zip(given.items(), (pl.String, pl.Float64, pl.Int64, pl.String), strict=True):
            if column is not None and len(column) != len(items):
                problems.append(f"{len(column)} {name}s for {len(items)} events.")
            try:
                columns[name] = pl.Series(column if column is not None else [None] * len(items), dtype=dtype)
            except TypeError:
                problems.append(f"{name}s must be {'text' if dtype == pl.String else 'numbers'}: {column!r}.")
        if problems:
            raise DataError(problems, "Give one value an event, or None where it is not known.")
        return self._encode(pl.DataFrame(columns).with_columns(gap=_gap(pl.lit(0))))

    def of_items(self, items: Sequence[str]) -> npt.NDArray[np.int32]:
        """Return the features of events of which only the items are known, int32 [events, features]."""
        return self.encode(items)

    def _encode(self, events: pl.DataFrame) -> npt.NDArray[np.int32]:
        of_items = iter(self._item_columns(events["item_id"]))
        columns = [
            next(of_items) if _of_item(name) else coder.encode(events[name]) for name, coder in self.coders.items()
        ]
        return stack(columns, len(events))

    def _item_columns(self, items: pl.Series) -> Iterable[npt.NDArray[np.int32]]:
        """Return the codes of the ``item:`` features, one column each."""
        if not self.item_codes.shape[1]:
            return ()
        rows = pl.DataFrame({"item_id": items}).join(
            self._item_rows, on="item_id", how="left", maintain_order="left"
        )
        unknown = np.zeros((1, self.item_codes.shape[1]), np.int32)
        return np.concatenate([self.item_codes, unknown])[rows["item"].fill_null(len(self.item_ids)).to_numpy()].T

    @cached_property
    def _item_rows(self) -> pl.DataFrame:
        return pl.DataFrame({"item_id": self.item_ids, "item": np.arange(len(self.item_ids))})

    def save(self, file: Path) -> None:
        """Write the features as JSON: enough to encode events without the dataset."""
        data = {
            "features": [{"name": name, **coder.to_dict()} for name, coder in self.coders.items()],
            "items": dict(zip(self.item_ids, self.item_codes.tolist(), strict=True)) if self._reads_items else {},
        }
        file.write_text(json.dumps(data, ensure_ascii=False) + "\n", encoding="utf-8")

    @property
    def _reads_items(self) -> bool:
        return self.item_codes.shape[1] > 0

    @classmethod
    def load(cls, file: Path) -> Features:
        """Read what :meth:`save` wrote.

        Raises:
            ArtifactError: if the file is missing or broken.
        """
        try:
            data = json.loads(file.read_text(encoding="utf-8"))
            coders = {entry["name"]: coder_from(entry) for entry in data["features"]}
            items = list(data["items"])
            width = sum(map(_of_item, coders))
            codes = np.asarray(list(data["items"].values()), dtype=np.int32).reshape(len(items), width)
            return cls(coders, items, codes)
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise ArtifactError(
                f"{file} holds no readable features: {error}", "Train the generator again."
            ) from error


def _of_item(name: str) -> bool:
    return name.startswith(ITEM)


def _events(dataset: Dataset) -> pl.DataFrame:
    """Return the interactions with every column that a feature may read, and the gap where there are times."""
    rows = dataset.interactions
    missing = {"behavior": pl.String, "value": pl.Float64, "domain": pl.String}
    rows = rows.with_columns(
        pl.lit(None, dtype=dtype).alias(name) for name, dtype in missing.items() if name not in rows.columns
    )
    has_times = dataset.manifest.details["time_unit"] == "ms"
    gap = _gap(pl.col("user_id")) if has_times else pl.lit(None, dtype=pl.Float64)
    return rows.with_columns(gap=gap)


def _gap(owner: pl.Expr) -> pl.Expr:
    """Return the seconds since the owner's event before; null for the first."""
    return pl.col("timestamp").diff().over(owner) / 1000


def _log_coder(name: str, learned: pl.DataFrame) -> Coder:
    if name == "gap":
        return Buckets(_GAP_EDGES)
    return Buckets.fit(learned[name]) if name == "value" else Words.fit(learned[name])


def _first_word(column: pl.Series) -> pl.Series:
    """Return the first of the values that a text column lists, such as Action of ``Action, Comedy``."""
    first = column.cast(pl.String).str.split(",").list.first().str.strip_chars()
    return first.set(first == "", None)


def _check(names: Sequence[str], learned: pl.DataFrame, dataset: Dataset) -> None:
    columns = [name for name in dataset.items.columns if name not in ("item_id", "image")]
    known = [*LOG_FEATURES, *(ITEM + name for name in columns)]
    problems = [f"Unknown feature {name!r}.{suggest(name, known)}" for name in names if name not in known]
    for name in LOG_FEATURES:
        if name in names and not learned[name].count():
            needs = "times" if name == "gap" else f"a column {name}"
            problems.append(
                f"Feature {name!r}: the training part of {dataset.path} has no {needs.removeprefix('a ')}."
            )
    problems += [f"Feature {name!r} is named twice." for name in sorted(set(names)) if list(names).count(name) > 1]
    if problems:
        raise DataError(problems, "Change train.model.history.features, or import the columns with genrec data.")
