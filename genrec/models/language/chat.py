"""How one language model is talked to: in its chat template, or in plain text where it has none."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from genrec.errors import ArtifactError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# Stand in a rendered template where the question and the answer go; nothing that a template would trim or escape.
_QUESTION, _ANSWER = "QUESTIONgoesHERE", "ANSWERgoesHERE"


class _Frame(NamedTuple):
    """The text around a question and its answer."""

    before: str
    between: str
    end: str


class Chat:
    """Turns questions and answers into token ids.

    The template is rendered once, with placeholders, and what is asked is put in afterwards. So a template that
    trims or drops spaces has no say over it, and a row to train on is always the prompt that is served plus the
    completion. Control tokens written out in a question, such as an end of turn in a title, are taken for plain
    text.

    Args:
        tokenizer: of the model, with its chat template.

    Raises:
        ArtifactError: if the template cannot be used, or no token ends an answer.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self.tokenizer = tokenizer
        self._control = _control_tokens(tokenizer)
        self._frame = _chat_frame(tokenizer, self._control) if tokenizer.chat_template else _plain_frame(tokenizer)

    def prompt(self, question: str) -> list[int]:
        """Return the ids of everything up to where the answer begins.

        Args:
            question: may hold SID tokens as text, such as ``<a_17><b_3><c_0>``.
        """
        return self._ids(f"{self._frame.before}{self._harmless(question)}{self._frame.between}")

    def completion(self, answer: str) -> list[int]:
        """Return the ids of an answer and the end of the turn: what training appends to a prompt."""
        return self._ids(f"{self._harmless(answer)}{self._frame.end}")

    def text(self, text: str) -> list[int]:
        """Return the ids of plain text without roles, and the end of the text."""
        return self._ids(f"{_bos(self.tokenizer)}{self._harmless(text)}{_eos(self.tokenizer)}")

    @property
    def end(self) -> list[int]:
        """The ids that end an answer."""
        return self.completion("")

    def _ids(self, text: str) -> list[int]:
        ids = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return [int(token) for token in ids]

    def _harmless(self, text: str) -> str:
        for token in self._control:
            if token in text:
                text = text.replace(token, f"{token[0]} {token[1:]}")
        return text


def _control_tokens(tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """Return the special tokens, the longest first."""
    own = (str(token) for token in tokenizer.added_tokens_decoder.values() if token.special)
    return sorted({*own, *map(str, tokenizer.all_special_tokens)}, key=len, reverse=True)


def _chat_frame(tokenizer: PreTrainedTokenizerBase, control: list[str]) -> _Frame:
    user, assistant = {"role": "user", "content": _QUESTION}, {"role": "assistant", "content": _ANSWER}
    asked = _render(tokenizer, [user], add_generation_prompt=True)
    answered = _render(tokenizer, [user, assistant], add_generation_prompt=False)
    if asked.count(_QUESTION) != 1 or answered.count(_ANSWER) != 1:
        raise ArtifactError(
            "The chat template does not repeat a message as it is, once.",
            "Take a base whose template does, or remove its chat template: it is then asked in plain text.",
        )
    before, _, between = asked.partition(_QUESTION)
    return _Frame(before, between, _end_of_turn(answered.partition(_ANSWER)[2], control) or _eos(tokenizer))


def _render(tokenizer: PreTrainedTokenizerBase, messages: list[dict[str, str]], add_generation_prompt: bool) -> str:
    from jinja2 import TemplateError

    try:
        return str(
            tokenizer.apply_chat_template(messages, add_generation_prompt=add_generation_prompt, tokenize=False)
        )
    except (TemplateError, ValueError, TypeError) as error:
        raise ArtifactError(
            f"The base's chat template cannot be used: {error}",
            "Mend the template, or remove it from the tokenizer.",
        ) from error


def _end_of_turn(rest: str, control: list[str]) -> str:
    """Return what stands after an answer up to the control token that ends it; empty if none does."""
    ends = [(rest.index(token), -len(token), token) for token in control if token in rest]
    if not ends:
        return ""
    at, _, token = min(ends)
    return rest[: at + len(token)]


def _plain_frame(tokenizer: PreTrainedTokenizerBase) -> _Frame:
    return _Frame(_bos(tokenizer), "\n", _eos(tokenizer))


def _bos(tokenizer: PreTrainedTokenizerBase) -> str:
    """Return the token that begins every text, where the tokenizer puts one there by itself."""
    given = tokenizer("x")["input_ids"]
    begins = tokenizer.bos_token_id is not None and given and given[0] == tokenizer.bos_token_id
    return str(tokenizer.bos_token) if begins else ""


def _eos(tokenizer: PreTrainedTokenizerBase) -> str:
    if tokenizer.eos_token is None:
        raise ArtifactError(
            "The base's tokenizer has no end-of-sequence token, so an answer would never end.",
            "Set eos_token in its tokenizer_config.json.",
        )
    return str(tokenizer.eos_token)
