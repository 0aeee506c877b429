"""Reasoning activation: history → thought → next item."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from genrec.decoding.think.form import REASON, answer
from genrec.errors import ArtifactError
from genrec_alignment.reasoning.store import Rationales
from genrec_alignment.tasks.task import EventTask, TaskRow

if TYPE_CHECKING:
    from genrec_alignment.tasks.source import TaskSource


class Reason(EventTask):
    """The full, noisy history → a rationale, the mark, the next item's codes (OneRec-Think, arXiv:2510.11639).

    The rationale was written about the pruned history; the question shows all of it, so that the model learns to
    find what matters by itself. What is learned is the whole answer:
    L_RA = −(Σ_i log P(r_i | history, r_<i) + Σ_j log P(s^j | history, rationale, s^<j)), every token with the same
    weight, which is what the mean over the tokens of packed rows gives up to a factor common to all rows.
    """

    name = "reason"
    needs = "rationales of its training part (genrec think rationales)"

    def __init__(self, source: TaskSource) -> None:
        super().__init__(source)
        if source.rationales is None or not source.rationales.exists():
            self._events, self._texts = self._events[:0], []
            return
        written = Rationales.load(source.rationales, source.digest)
        ids = [source.catalogue.item_ids[item] for item in source.items[written.events]]
        if ids != written.item_ids:
            raise ArtifactError(
                f"{source.rationales} explains other events than the training part holds.",
                f"Make it again: genrec think rationales --run {source.rationales.parent}",
            )
        self._events, self._texts = written.events, written.texts

    def row(self, unit: int, rng: np.random.Generator) -> TaskRow:  # noqa: ARG002 (one phrasing: the one that is served)
        """Ask what someone with a history likes, and for an item."""
        history, target = self.example(unit)
        question = REASON.format(items=self.source.sids(history))
        return TaskRow(self.name, question, answer(self._texts[unit], self.source.catalogue.sid(target)))
