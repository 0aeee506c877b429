"""The texts of a domain: what the catalogue says of its items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from genrec.data import Dataset
from genrec.errors import DataError

_NO_TEXT = {"item_id", "image"}
_LEAST = 20  # texts from which an adapter can learn anything


@dataclass(frozen=True)
class DomainTexts:
    """Texts that an adapter learns, and others that only tell what it learned."""

    train: list[str]
    held_out: list[str]


def item_texts(dataset: Dataset) -> list[str]:
    """Return one text an item: its title and every further text column, each a sentence; may be empty."""
    names = [name for name, kind in dataset.items.schema.items() if kind == pl.String and name not in _NO_TEXT]
    names.sort(key=lambda name: name != "title")  # the title first, the others as they stand
    columns = [dataset.items[name].fill_null("").to_list() for name in names]
    return [" ".join(_sentence(part) for part in parts if part.strip()) for parts in zip(*columns, strict=True)]


def draw_texts(texts: Sequence[str], most: int, held_out: int, seed: int, name: str) -> DomainTexts:
    """Draw the texts of a domain; equal texts count once.

    Args:
        texts: one an item; empty ones are left out.
        most: how many are learned at most.
        held_out: how many others are held out at most, and at most a tenth.
        seed: of the choice.
        name: the domain, for the message.

    Raises:
        DataError: if there are hardly any.
    """
    known = sorted({text for text in texts if text})
    if len(known) < _LEAST:
        raise DataError(
            f"{name} has {len(known)} items with a text, and {_LEAST} at least are needed.",
            "Import the items' titles (data.items), or leave this domain out of loid.sources.",
        )
    order = np.random.default_rng(seed).permutation(len(known))
    others = max(1, min(held_out, len(known) // 10))
    return DomainTexts([known[at] for at in order[others : others + most]], [known[at] for at in order[:others]])


def _sentence(text: str) -> str:
    return text if text.rstrip().endswith((".", "!", "?")) else f"{text.rstrip()}."
