"""All that is written about an item in the question, its semantic ID as the answer."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from genrec_alignment.tasks.task import ItemTask, TaskRow, pick

NEEDS = "text beside the titles (a text column of items.parquet, such as 'description' or 'categories')"
_QUESTIONS = (
    "Which item is this? {text}",
    "Description: {text}\nItem:",
    "Find the item that fits: {text}",
    "{text}\nWhich item does this describe?",
)


class DescriptionToSid(ItemTask):
    """Description → semantic ID, for every item with more text than a title."""

    name = "description_to_sid"
    needs = NEEDS

    def usable(self) -> npt.NDArray[np.bool_]:
        """Say which items have text beside their title."""
        return self.source.texts.has_details

    def row(self, unit: int, rng: np.random.Generator) -> TaskRow:
        """Ask for the item that is described. Every other question leaves out the title, which gives it away."""
        item, texts = self.item(unit), self.source.texts
        text = texts.description(item) if rng.random() < 0.5 else texts.details[item]
        return TaskRow(self.name, pick(rng, _QUESTIONS).format(text=text), self.source.catalogue.sid(item))
