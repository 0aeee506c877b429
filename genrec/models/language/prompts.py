"""What a language model is asked about a history, given as semantic IDs or as titles.

The instructions are constants: the tasks of the alignment use the same ones, so that what is served was trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from genrec.models.language.chat import Chat
    from genrec.semantic_ids import SIDVocabulary

CONTINUATION = "List the items that one person chooses, from the first to the last."
QUESTION = (
    "A person chose these items, from the first to the last: {items}\nWhich item does the person choose next?"
)
TITLES = (
    "A person chose these titles, from the first to the last: {titles}\nWhich item does the person choose next?"
)


@dataclass(frozen=True)
class ItemPrompt:
    """Fixed token ids around a history of items; made once, so that serving needs no template.

    Args:
        before: the ids before the items.
        after: the ids after them.
    """

    before: list[int]
    after: list[int]

    def ids(self, item_tokens: npt.NDArray[np.integer]) -> list[int]:
        """Return the prompt of a history.

        Args:
            item_tokens: int [items, levels], the SID tokens of each item, oldest first; may have no rows.
        """
        return [*self.before, *np.asarray(item_tokens, dtype=np.int64).ravel().tolist(), *self.after]

    @property
    def fixed(self) -> int:
        """How many tokens it has besides the history's."""
        return len(self.before) + len(self.after)


def continuation_prompt(chat: Chat, vocabulary: SIDVocabulary) -> ItemPrompt:  # noqa: ARG001 (one form for all)
    """Return the prompt whose answer is the list of items itself, with the history as its beginning.

    One training row then teaches every item of a history, and a history that grows only appends tokens.
    """
    return ItemPrompt(chat.prompt(CONTINUATION), [])


def question_prompt(chat: Chat, vocabulary: SIDVocabulary) -> ItemPrompt:
    """Return the prompt with the history in the question, and one item as its answer (LC-Rec, 2311.09049)."""
    # A SID token in the place of the items: what stands around it is tokenized as it is beside any other.
    ids = chat.prompt(QUESTION.format(items=vocabulary.token(0, 0)))
    at = ids.index(vocabulary.first)
    return ItemPrompt(ids[:at], ids[at + 1 :])


def title_prompt(chat: Chat, titles: Sequence[str]) -> list[int]:
    """Return the prompt of a history given as titles, oldest first."""
    return chat.prompt(title_question(titles))


def title_question(titles: Sequence[str]) -> str:
    """Return the question of :func:`title_prompt`."""
    return TITLES.format(titles="; ".join(titles))
