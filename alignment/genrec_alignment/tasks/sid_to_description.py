"""An item's semantic ID in the question, all that is written about it as the answer: captioning."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from genrec_alignment.tasks.description_to_sid import NEEDS
from genrec_alignment.tasks.task import ItemTask, TaskRow, pick

_QUESTIONS = (
    "Describe {sid}.",
    "Tell me about the item {sid}.",
    "What kind of item is {sid}?",
    "Item: {sid}\nDescription:",
)


class SidToDescription(ItemTask):
    """Semantic ID → description (OneRec-Think's captioning, arXiv:2510.11639): the text alone is learned."""

    name = "sid_to_description"
    needs = NEEDS

    def usable(self) -> npt.NDArray[np.bool_]:
        """Say which items have text beside their title."""
        return self.source.texts.has_details

    def row(self, unit: int, rng: np.random.Generator) -> TaskRow:
        """Ask for the description of an item."""
        item = self.item(unit)
        question = pick(rng, _QUESTIONS).format(sid=self.source.catalogue.sid(item))
        return TaskRow(self.name, question, self.source.texts.description(item))
