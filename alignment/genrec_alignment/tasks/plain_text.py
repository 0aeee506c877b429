"""Replay of plain text, so that the model's general ability stays."""

from __future__ import annotations

import numpy as np

from genrec_alignment.tasks.task import Task, TaskRow


class PlainText(Task):
    """Passages of plain text, all of it learned (the general text of OneRec-Think's mixture, arXiv:2510.11639)."""

    name = "plain_text"
    needs = "plain text (plain_text: a file or folder)"

    def __len__(self) -> int:
        return len(self.source.plain_texts)

    def row(self, unit: int, rng: np.random.Generator) -> TaskRow:  # noqa: ARG002 (text is as it is)
        """Return a passage."""
        return TaskRow(self.name, None, self.source.plain_texts[unit])
