"""The form of a thought: how the model is asked for one, and what ends it.

A reasoning generator is asked about the whole history and answers with text, the mark ``END_OF_THOUGHT`` and the
codes of an item. Its folder holds ``reasoning.json``; a generator without it was not trained to think.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from genrec.errors import ArtifactError

if TYPE_CHECKING:
    from genrec.models.language import Chat, ItemPrompt
    from genrec.semantic_ids import SIDVocabulary

REASON = (
    "A person chose these items, from the first to the last: {items}\n"
    "Say what this person likes, then recommend one item."
)
# Plain words, since a chat template may cut or move what stands between marks of its own such as <think>.
END_OF_THOUGHT = "\nRecommendation:"
FILE = "reasoning.json"


@dataclass(frozen=True)
class ThoughtForm:
    """Token ids around a history and after a thought; made once, so that serving needs no template.

    Args:
        before: the ids before the history's items.
        after: the ids from there to where the thought begins.
        mark: the text that ends a thought.
        mark_ids: its ids, appended where a thought was cut off.
        ends: the ids of tokens that end an answer; one of them ends a thought early.
    """

    before: list[int]
    after: list[int]
    mark: str
    mark_ids: list[int]
    ends: list[int]

    @property
    def prompt(self) -> ItemPrompt:
        """The prompt of a history."""
        from genrec.models.language import ItemPrompt

        return ItemPrompt(self.before, self.after)

    def save(self, folder: Path) -> None:
        """Write ``reasoning.json`` into a generator's folder, which says that it was trained to think."""
        (folder / FILE).write_text(json.dumps(asdict(self)) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> ThoughtForm | None:
        """Return the form of a generator's folder; None if it was not trained to think.

        Raises:
            ArtifactError: if the file is broken.
        """
        file = Path(folder) / FILE
        if not file.is_file():
            return None
        try:
            return cls(**json.loads(file.read_text(encoding="utf-8")))
        except (ValueError, TypeError) as error:
            raise ArtifactError(f"{file} is broken: {error}", "Tune the generator again: genrec tune") from error


def thought_form(chat: Chat, vocabulary: SIDVocabulary) -> ThoughtForm:
    """Return the form in which a model is asked for a thought.

    Args:
        chat: how the model is talked to.
        vocabulary: its SID tokens.

    Raises:
        ArtifactError: if the tokenizer loses the mark.
    """
    # A SID token in the place of the items: what stands around it is tokenized as it is beside any other.
    ids = chat.prompt(REASON.format(items=vocabulary.token(0, 0)))
    at = ids.index(vocabulary.first)
    mark = _mark_ids(chat)
    ends = {chat.end[-1], chat.tokenizer.eos_token_id} - {None}
    return ThoughtForm(ids[:at], ids[at + 1 :], END_OF_THOUGHT, mark, sorted(ends))


def _mark_ids(chat: Chat) -> list[int]:
    ids = chat.tokenizer(END_OF_THOUGHT, add_special_tokens=False)["input_ids"]
    if END_OF_THOUGHT not in chat.tokenizer.decode(
        chat.completion(f"x{END_OF_THOUGHT}"), clean_up_tokenization_spaces=False
    ):
        raise ArtifactError(
            f"The base's tokenizer does not keep the text {END_OF_THOUGHT!r}, by which a thought's end is known.",
            "Take a base whose tokenizer keeps capitals and line ends.",
        )
    return [int(token) for token in ids]


def answer(rationale: str, sid: str) -> str:
    """Return what a reasoning generator is taught to answer: the thought, the mark, the item's codes."""
    return f"{rationale}{END_OF_THOUGHT}{sid}"
