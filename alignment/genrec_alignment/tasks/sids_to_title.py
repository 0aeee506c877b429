"""A history of semantic IDs in the question, the next item's title as the answer."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from genrec_alignment.tasks.task import EventTask, TaskRow, pick

_QUESTIONS = (
    "A person chose these items, from the first to the last: {items}\nWhat is the title of the next one?",
    "History: {items}\nTitle of the next item:",
    "After {items}, which title comes next?",
    "Someone picked {items}. Give the title of what they pick next.",
)


class SidsToTitle(EventTask):
    """History → next title (MiniOneRec, arXiv:2510.24431)."""

    name = "sids_to_title"
    needs = "titles (a column 'title' of items.parquet) and users with two training events"

    def usable(self, events: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Say which events are of an item that has a title."""
        return self.source.texts.has_title[self.source.items[events]]

    def row(self, unit: int, rng: np.random.Generator) -> TaskRow:
        """Ask for the title of the item of a unit's event."""
        history, target = self.example(unit)
        question = pick(rng, _QUESTIONS).format(items=self.source.sids(history))
        return TaskRow(self.name, question, self.source.texts.titles[target])
