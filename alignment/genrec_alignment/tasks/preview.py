"""One example of each task, for a person to look at before anything is trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from genrec_alignment.tasks.mixture import Mixture
from genrec_alignment.tasks.rows import Encoder

if TYPE_CHECKING:
    from genrec.models.language import Chat

OPEN, CLOSE = "⟦", "⟧"  # around what is learned


def preview(mixture: Mixture, chat: Chat, rows: int = 1) -> str:
    """Return the first rows of each task in epoch 0 as the model reads them, what is learned in ⟦ ⟧.

    Args:
        mixture: the tasks and their shares.
        chat: how the model is talked to.
        rows: of each task.
    """
    encode, names = Encoder(chat), list(mixture.tasks)
    kinds, units = mixture.plan(0)
    parts = []
    for kind, name in enumerate(names):
        share = mixture.counts[name] / len(mixture)
        parts.append(f"── {name}: {mixture.counts[name]:,} rows an epoch, {share:.1%}")
        for place in np.flatnonzero(kinds == kind)[:rows].tolist():
            ids, learned = encode(mixture.row(name, int(units[place]), 0, place))
            parts.append(f"{_marked(ids, learned, chat)}\n   ({len(ids)} tokens, {int(learned.sum())} learned)")
    return "\n".join(parts)


def _marked(ids: npt.NDArray[np.int32], learned: npt.NDArray[np.int8], chat: Chat) -> str:
    first = int(np.argmax(learned))  # what is learned is the end of a row
    prompt, answer = chat.tokenizer.decode(ids[:first]), chat.tokenizer.decode(ids[first:])
    return f"{prompt}{OPEN}{answer}{CLOSE}"
