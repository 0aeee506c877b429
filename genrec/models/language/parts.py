"""What makes a generator of a language model: its tokenizer, where its SID tokens lie, and its prompt."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from genrec.errors import ArtifactError
from genrec.models.language.chat import Chat
from genrec.models.language.prompts import ItemPrompt
from genrec.semantic_ids import Catalogue, SIDVocabulary

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

FILE = "language.json"
_REMEDY = "Its parts come from different runs: make the generator again (genrec tune)."


@dataclass(frozen=True)
class LanguageParts:
    """The parts of a language generator besides its model and its catalogue.

    Args:
        tokenizer: reads and writes words and SID tokens.
        vocabulary: where the SID tokens lie.
        prompt: how a history is put to the model.
    """

    tokenizer: PreTrainedTokenizerBase
    vocabulary: SIDVocabulary
    prompt: ItemPrompt

    @cached_property
    def chat(self) -> Chat:
        """How the model is talked to."""
        return Chat(self.tokenizer)

    def save(self, folder: Path, catalogue: Catalogue) -> None:
        """Write the tokenizer and ``language.json`` into ``folder``.

        Args:
            folder: of the generator.
            catalogue: the one the model was trained on.
        """
        self.tokenizer.save_pretrained(folder)
        settings = {
            "first": self.vocabulary.first,
            "codebook_sizes": list(self.vocabulary.codebook_sizes),
            "catalogue": catalogue.digest,
            "before": self.prompt.before,
            "after": self.prompt.after,
        }
        (folder / FILE).write_text(json.dumps(settings) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, catalogue: Catalogue) -> LanguageParts:
        """Read what :meth:`save` wrote.

        Raises:
            ArtifactError: if something is missing, or does not fit the catalogue or the tokenizer.
        """
        vocabulary = saved_vocabulary(folder, catalogue)
        settings = _settings(folder)
        if settings["catalogue"] != catalogue.digest:
            raise ArtifactError(f"{folder}: the catalogue is not the one this model was trained on.", _REMEDY)
        tokenizer = _load_tokenizer(folder)
        check_tokens(tokenizer, vocabulary, folder)
        return cls(tokenizer, vocabulary, ItemPrompt(settings["before"], settings["after"]))


def saved_vocabulary(folder: Path, catalogue: Catalogue) -> SIDVocabulary:
    """Return where a saved generator's SID tokens lie: those of a language model after its own words.

    Raises:
        ArtifactError: if they are those of other codebooks than the catalogue's.
    """
    if not (folder / FILE).is_file():
        return catalogue.vocabulary
    settings = _settings(folder)
    sizes = tuple(settings["codebook_sizes"])
    if sizes != catalogue.codebook_sizes:
        raise ArtifactError(
            f"{folder}: the model's SID tokens are of codebooks of {sizes} codes, the catalogue's of "
            f"{catalogue.codebook_sizes}.",
            _REMEDY,
        )
    return SIDVocabulary(sizes, settings["first"])


def check_base(folder: Path, catalogue: Catalogue) -> None:
    """Check that a base which is a generator itself means by its SID tokens what a catalogue does.

    The catalogue may have other items than the generator's; an item of both must have the same ID.

    Args:
        folder: of the base; nothing is checked if it is no generator of a language model.
        catalogue: the items to be learnt.

    Raises:
        ArtifactError: if the IDs are others.
    """
    if not (folder / FILE).is_file():
        return
    learnt = Catalogue.load(folder / "catalogue")
    shared = [item for item in catalogue.item_ids if item in learnt.index_of]
    same = learnt.codebook_sizes == catalogue.codebook_sizes and bool(
        (learnt.codes[learnt.indices(shared)] == catalogue.codes[catalogue.indices(shared)]).all()
    )
    if not shared or not same:
        raise ArtifactError(
            f"The base {folder} is a generator of other semantic IDs than the catalogue's.",
            "Start from a plain language model, or from a generator of these IDs.",
        )


def check_tokens(tokenizer: PreTrainedTokenizerBase, vocabulary: SIDVocabulary, folder: Path) -> None:
    """Check that a tokenizer writes every SID token with the id that the vocabulary gives it.

    Raises:
        ArtifactError: if it does not.
    """
    known = tokenizer.get_vocab()
    wrong = [token for at, token in enumerate(vocabulary.tokens(), vocabulary.first) if known.get(token) != at]
    if wrong:
        raise ArtifactError(
            f"{folder}: the tokenizer does not know {len(wrong)} of the {vocabulary.size - vocabulary.first} SID "
            f"tokens by their ids, the first {wrong[0]}.",
            _REMEDY,
        )


def _settings(folder: Path) -> dict:
    try:
        settings = json.loads((folder / FILE).read_text(encoding="utf-8"))
        missing = {"first", "codebook_sizes", "catalogue", "before", "after"} - set(settings)
        if missing:
            raise ValueError(f"it lacks {', '.join(sorted(missing))}")
    except (OSError, ValueError) as error:
        raise ArtifactError(
            f"{folder} holds a language model without its SID vocabulary: {folder / FILE}: {error}", _REMEDY
        ) from error
    return settings


def _load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{folder} has no readable tokenizer: {error}", _REMEDY) from error
