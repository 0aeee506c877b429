"""The catalogue: every item with its semantic ID and its text for display, enough to serve alone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from genrec.errors import ArtifactError, UnknownNameError
from genrec.semantic_ids.vocabulary import SIDVocabulary

_CODES, _ITEMS, _SHAPE = "codes.safetensors", "items.parquet", "vocabulary.json"


@dataclass(frozen=True)
class Catalogue:
    """Items in the order of ``item_index``, each with one unique semantic ID.

    Args:
        item_ids: the user's own identifiers.
        codes: int32 [items, levels].
        codebook_sizes: the number of codes of each level.
        titles: text to show to people; the item's id where there is none.
    """

    item_ids: list[str]
    codes: npt.NDArray[np.int32]
    codebook_sizes: tuple[int, ...]
    titles: list[str]

    def __post_init__(self) -> None:
        shape = (len(self.item_ids), len(self.codebook_sizes))
        if self.codes.shape != shape or len(self.titles) != shape[0]:
            raise ValueError(
                f"codes must be {shape}, one title an item; got {self.codes.shape}, {len(self.titles)}"
            )
        if ((self.codes < 0) | (self.codes >= np.asarray(self.codebook_sizes))).any():
            raise ValueError("a code lies outside its codebook")

    def __len__(self) -> int:
        return len(self.item_ids)

    @cached_property
    def vocabulary(self) -> SIDVocabulary:
        """The vocabulary of this catalogue's SID tokens for a model that knows items only."""
        return SIDVocabulary(self.codebook_sizes)

    @cached_property
    def tokens(self) -> npt.NDArray[np.int64]:
        """The SID tokens of every item under :attr:`vocabulary`, int64 [items, levels]."""
        return self.vocabulary.encode(self.codes)

    @cached_property
    def index_of(self) -> dict[str, int]:
        """``item_index`` by ``item_id``."""
        return {item: index for index, item in enumerate(self.item_ids)}

    def indices(self, item_ids: Iterable[str]) -> npt.NDArray[np.int64]:
        """Return the ``item_index`` of each of ``item_ids``.

        Raises:
            UnknownNameError: naming every id that is not in the catalogue.
        """
        wanted = list(item_ids)
        unknown = [item for item in wanted if item not in self.index_of]
        if unknown:
            raise UnknownNameError("item", unknown, self.item_ids)
        return np.asarray([self.index_of[item] for item in wanted], dtype=np.int64)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the contents: ids, codes, codebook sizes and titles, in order, however they are stored."""
        text = json.dumps([self.codebook_sizes, self.item_ids, self.titles])
        contents = hashlib.sha256(text.encode())
        contents.update(np.ascontiguousarray(self.codes, dtype="<i4").tobytes())
        return contents.hexdigest()

    def take(self, rows: npt.NDArray[np.integer]) -> Catalogue:
        """Return a catalogue of the items at ``rows``, in that order."""
        items, titles = ([names[row] for row in rows] for names in (self.item_ids, self.titles))
        return Catalogue(items, self.codes[rows], self.codebook_sizes, titles)

    def extended(self, other: Catalogue) -> Catalogue:
        """Return this catalogue with the items of ``other``, of the same codebook sizes, after its own."""
        return Catalogue(
            self.item_ids + other.item_ids,
            np.concatenate([self.codes, other.codes]),
            self.codebook_sizes,
            self.titles + other.titles,
        )

    def sid(self, item_index: int) -> str:
        """Return an item's semantic ID as text, such as ``<a_17><b_3><c_0>``."""
        return self.vocabulary.text(self.codes[item_index].tolist())

    @staticmethod
    def saved_at(folder: Path) -> bool:
        """Say whether a folder holds a catalogue's files."""
        return all((folder / name).is_file() for name in (_CODES, _ITEMS, _SHAPE))

    def save(self, folder: Path) -> None:
        """Write the catalogue's files into ``folder``."""
        folder.mkdir(parents=True, exist_ok=True)
        save_file({"codes": np.ascontiguousarray(self.codes, dtype=np.int32)}, folder / _CODES)
        pl.DataFrame({"item_id": self.item_ids, "title": self.titles}).write_parquet(folder / _ITEMS)
        shape = {"codebook_sizes": list(self.codebook_sizes), "special_tokens": self.vocabulary.first}
        (folder / _SHAPE).write_text(json.dumps(shape) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Catalogue:
        """Read a catalogue written by :meth:`save`.

        Raises:
            ArtifactError: if a file is missing, broken, or does not fit the others.
        """
        try:
            items = pl.read_parquet(folder / _ITEMS)
            codes = load_file(folder / _CODES)["codes"]
            sizes = tuple(json.loads((folder / _SHAPE).read_text(encoding="utf-8"))["codebook_sizes"])
            return cls(items["item_id"].to_list(), codes, sizes, items["title"].to_list())
        except (OSError, KeyError, ValueError, SafetensorError, pl.exceptions.PolarsError) as error:
            raise ArtifactError(f"{folder} holds no readable catalogue: {error}") from error


def unique_rows(codes: npt.NDArray[np.integer] | Sequence[Sequence[int]]) -> bool:
    """Say whether no two rows of codes [items, levels] are equal."""
    array = np.asarray(codes)
    return len(np.unique(array, axis=0)) == len(array)


def rows_in(codes: npt.NDArray[np.integer], others: npt.NDArray[np.integer]) -> npt.NDArray[np.bool_]:
    """Say for each row of codes [items, levels] whether it is a row of ``others`` [any, levels]."""
    left, right = (pl.DataFrame(np.ascontiguousarray(rows, dtype=np.int32)) for rows in (codes, others))
    found = np.zeros(len(left), dtype=bool)
    found[left.with_row_index("row").join(right, on=right.columns, how="semi")["row"].to_numpy()] = True
    return found
