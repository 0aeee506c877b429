"""The history in the question, the next item as the answer: sequential preference."""

from __future__ import annotations

import numpy as np

from genrec.models.language.prompts import QUESTION
from genrec_alignment.tasks.task import EventTask, TaskRow, pick

_OTHERS = (
    "Here is what someone picked so far, oldest first: {items}\nName the item that comes next.",
    "History: {items}\nNext:",
    "Given the sequence {items}, continue it by one item.",
    "Someone went through {items} in this order. What should be recommended now?",
)


class NextItem(EventTask):
    """History → next item (LC-Rec, arXiv:2311.09049; OneRec-Think, arXiv:2510.11639).

    The target's codes and the end of the turn are learned. Half of the rows have the question that is served, the
    others one of several phrasings.
    """

    name = "next_item"
    needs = "users with two events or more in the training part"

    def row(self, unit: int, rng: np.random.Generator) -> TaskRow:
        """Ask for the item of a unit's event."""
        history, target = self.example(unit)
        question = QUESTION if rng.random() < 0.5 else pick(rng, _OTHERS)
        return TaskRow(
            self.name, question.format(items=self.source.sids(history)), self.source.catalogue.sid(target)
        )
