"""An item's title in the question, its semantic ID as the answer."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from genrec_alignment.tasks.task import ItemTask, TaskRow, pick

_QUESTIONS = (
    'Which item is called "{title}"?',
    "Give the item with the title: {title}",
    'Find "{title}" in the catalogue.',
    "Title: {title}\nItem:",
    'Name the code of the item titled "{title}".',
)


class TitleToSid(ItemTask):
    """Title → semantic ID, for every item of the catalogue that has a title."""

    name = "title_to_sid"
    needs = "titles (a column 'title' of items.parquet)"

    def usable(self) -> npt.NDArray[np.bool_]:
        """Say which items have a title."""
        return self.source.texts.has_title

    def row(self, unit: int, rng: np.random.Generator) -> TaskRow:
        """Ask for the item that has a title."""
        item = self.item(unit)
        question = pick(rng, _QUESTIONS).format(title=self.source.texts.titles[item])
        return TaskRow(self.name, question, self.source.catalogue.sid(item))
