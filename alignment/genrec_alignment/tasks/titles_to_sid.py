"""A history given as titles in the question, the next item as the answer."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from genrec.models.language.prompts import title_question
from genrec_alignment.tasks.task import EventTask, TaskRow


class TitlesToSid(EventTask):
    """History titles → next item, asked as ``genrec recommend`` asks about titles."""

    name = "titles_to_sid"
    needs = "titles (a column 'title' of items.parquet) and users with two training events"

    def usable(self, events: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Say which events come after an item that has a title."""
        return self.source.texts.has_title[self.source.items[events - 1]]

    def row(self, unit: int, rng: np.random.Generator) -> TaskRow:  # noqa: ARG002 (one phrasing: the served one)
        """Ask for the item of a unit's event."""
        history, target = self.example(unit)
        question = title_question(self.source.titles(history))
        return TaskRow(self.name, question, self.source.catalogue.sid(target))
