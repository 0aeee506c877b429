"""What alignment tasks may see of a dataset: items with their texts, and the training part of the histories."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from genrec.data.dataset import SPLITS
from genrec.data.profiles import read_users
from genrec.errors import ArtifactError
from genrec_alignment.tasks.plain import plain_texts
from genrec_alignment.tasks.texts import ItemTexts, item_texts

if TYPE_CHECKING:
    from genrec.data import Dataset
    from genrec.semantic_ids import Catalogue
    from genrec_alignment.tasks.config import MixtureConfig


@dataclass(frozen=True)
class TaskSource:
    """The data of all tasks. Of the log it holds the training part and nothing else.

    Args:
        catalogue: the items' semantic IDs.
        texts: what is written about the items.
        offsets: int64 [users + 1]; user u owns rows ``offsets[u]:offsets[u + 1]`` of ``items``.
        items: int32 [events], the ``item_index`` of every event of the training part, each user's oldest first.
        values: float64 [events], NaN where unknown; None where the log has no values.
        profiles: what is known of each user, as words; empty where nothing is.
        history_length: items of a history, at most.
        title_items: items of a history that is given as titles, at most.
        plain_text: a file or folder of plain text; None: text that comes with Python's packages.
        rationales: the folder where ``genrec think rationales`` writes.
        digest: of the dataset.
    """

    catalogue: Catalogue
    texts: ItemTexts
    offsets: npt.NDArray[np.int64]
    items: npt.NDArray[np.int32]
    values: npt.NDArray[np.float64] | None
    profiles: list[str]
    history_length: int
    title_items: int
    plain_text: Path | None = None
    rationales: Path | None = None
    digest: str | None = None

    @classmethod
    def of(cls, dataset: Dataset, catalogue: Catalogue, config: MixtureConfig, history_length: int) -> TaskSource:
        """Read a dataset.

        Raises:
            ArtifactError: if the semantic IDs are of other items.
            UnknownNameError: if a column that the settings name does not exist.
        """
        if catalogue.item_ids != dataset.item_ids:
            raise ArtifactError(
                f"The semantic IDs were made from other items than {dataset.path} holds.",
                "Make them again: genrec tokenize",
            )
        texts = item_texts(dataset.items, config.categories, config.description, config.description_words)
        sequences = dataset.sequences
        train = sequences.splits == SPLITS.index("train")
        owners = np.repeat(np.arange(len(sequences)), np.diff(sequences.offsets))
        counts = np.bincount(owners[train], minlength=len(sequences))
        return cls(
            catalogue,
            texts,
            offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            items=sequences.items[train],
            values=None if sequences.values is None else sequences.values[train],
            profiles=_profiles(dataset),
            history_length=history_length,
            title_items=config.title_items,
            plain_text=config.plain_text,
            rationales=dataset.path.parent / "rationales",
            digest=dataset.manifest.digest,
        )

    @property
    def users(self) -> int:
        """The number of users."""
        return len(self.offsets) - 1

    @cached_property
    def plain_texts(self) -> list[str]:
        """Passages of plain text to learn; none of them is held out for measuring perplexity."""
        return plain_texts(self.plain_text)

    def events(self, user: int) -> slice:
        """Return the rows of ``items`` and ``values`` that are a user's."""
        return slice(int(self.offsets[user]), int(self.offsets[user + 1]))

    def later_events(self) -> npt.NDArray[np.int64]:
        """Return the events that have one before them, int64 rows of ``items``."""
        later = np.ones(len(self.items), dtype=bool)
        later[self.offsets[:-1][np.diff(self.offsets) > 0]] = False
        return np.flatnonzero(later)

    def example(self, event: int) -> tuple[npt.NDArray[np.int32], int]:
        """Return the latest ``history_length`` items before an event, oldest first, and the event's item."""
        user = int(np.searchsorted(self.offsets, event, side="right")) - 1
        start = max(int(self.offsets[user]), event - self.history_length)
        return self.items[start:event], int(self.items[event])

    def sids(self, items: npt.NDArray[np.integer]) -> str:
        """Return the semantic IDs of items, one after another without a space, as a prompt has them."""
        return "".join(self.catalogue.sid(int(item)) for item in items)

    def titles(self, items: npt.NDArray[np.integer]) -> list[str]:
        """Return the titles of the latest ``title_items`` of a history; an item without one has its id."""
        return [self.catalogue.titles[item] for item in items[-self.title_items :]]


def _profiles(dataset: Dataset) -> list[str]:
    users = read_users(dataset)
    if not users.columns:
        return [""] * len(dataset.user_ids)
    return [
        ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in row.items() if value)
        for row in users.iter_rows(named=True)
    ]
