"""An item's semantic ID in the question, its title as the answer."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from genrec_alignment.tasks.task import ItemTask, TaskRow, pick

_QUESTIONS = (
    "What is the title of {sid}?",
    "What is {sid} called?",
    "Give the title of the item {sid}.",
    "Item: {sid}\nTitle:",
    "Which title belongs to {sid}?",
)


class SidToTitle(ItemTask):
    """Semantic ID → title, for every item of the catalogue that has a title."""

    name = "sid_to_title"
    needs = "titles (a column 'title' of items.parquet)"

    def usable(self) -> npt.NDArray[np.bool_]:
        """Say which items have a title."""
        return self.source.texts.has_title

    def row(self, unit: int, rng: np.random.Generator) -> TaskRow:
        """Ask for the title of an item."""
        item = self.item(unit)
        question = pick(rng, _QUESTIONS).format(sid=self.source.catalogue.sid(item))
        return TaskRow(self.name, question, self.source.texts.titles[item])
