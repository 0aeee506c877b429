"""Recommendations in two steps: a thought in words, then the tree search over prompt and thought."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from genrec.decoding.ranking import Ranking
from genrec.decoding.support import positions_of
from genrec.decoding.think.config import ThinkingConfig
from genrec.decoding.think.form import ThoughtForm, thought_form
from genrec.decoding.think.merging import Thoughtful, union
from genrec.decoding.think.writing import decode, write
from genrec.decoding.tree_beam import TreeBeamSearch
from genrec.decoding.trie import Trie
from genrec.errors import ArtifactError
from genrec.models.generator import Generator
from genrec.semantic_ids import Catalogue

DEFAULT_BEAMS = 20
History = npt.NDArray[np.integer]


class ThinkingRecommender:
    """Lets a language generator write what it thinks of a history, and searches the catalogue after that.

    OneRec-Think's two-step decoding (2510.11639): the thought first, then the item given history and thought. The
    model reads the prompt twice, once to write and once to search.

    Args:
        generator: a language model with its catalogue.
        config: how thoughts are written.
        form: how the model is asked; as ``reasoning.json`` of its folder says, by default the form of
            :mod:`genrec.decoding.think.form`.
        batch_size: requests at once.

    Raises:
        ArtifactError: if the generator is no language model.
    """

    def __init__(
        self,
        generator: Generator,
        config: ThinkingConfig | None = None,
        form: ThoughtForm | None = None,
        batch_size: int = 8,
    ) -> None:
        if generator.language is None:
            raise ArtifactError(
                "This generator knows items only and cannot think in words.",
                "Make one of a language model: genrec tune",
            )
        self.generator, self.config, self.batch_size = generator, config or ThinkingConfig(), batch_size
        self._tokenizer = generator.language.tokenizer
        self._form = form or thought_form(generator.language.chat, generator.vocabulary)
        self._search = search_of(generator)

    @property
    def catalogue(self) -> Catalogue:
        """The items it can recommend."""
        return self.generator.catalogue

    def recommend(
        self,
        histories: Sequence[History],
        k: int = 10,
        beams: int | None = None,
        exclude: Sequence[History] | None = None,
        seed: int = 0,
    ) -> Thoughtful:
        """Return the k best items for each history, and the thoughts they were found after.

        Args:
            histories: item indices, oldest first; cut at the old end to what fits.
            k: items wanted for each.
            beams: width of the search after each thought; at least k, and ``DEFAULT_BEAMS`` unless told.
            exclude: items that must not be recommended, for each history.
            seed: of the sampled thoughts.
        """
        width = max(k, beams or DEFAULT_BEAMS)
        parts = [
            self._batch(histories[rows], k, width, None if exclude is None else exclude[rows], [seed, rows.start])
            for rows in (slice(at, at + self.batch_size) for at in range(0, len(histories), self.batch_size))
        ]
        if not parts:
            return Thoughtful(Ranking(*_nothing(k)), [], np.zeros((0, k), np.int64))
        items, scores = (np.concatenate(same) for same in zip(*(part.ranking for part in parts), strict=True))
        texts = [text for part in parts for text in part.thoughts]
        return Thoughtful(Ranking(items, scores), texts, np.concatenate([part.after for part in parts]))

    def think(self, histories: Sequence[History], seed: int | list[int] = 0) -> tuple[list[list[int]], list[str]]:
        """Return the prompt with a thought and its mark, as token ids, and the thought as text.

        There are ``config.thoughts`` of them for each history, next to each other.
        """
        prompts = [self._prompt(one) for one in histories for _ in range(self.config.thoughts)]
        texts = write(
            self.generator.model,
            self._tokenizer,
            prompts,
            tokens=self.config.tokens,
            temperature=self.config.temperature,
            seed=int(np.random.default_rng(seed).integers(2**31)),
            ends=self._form.ends,
            mark=self._form.mark,
        )
        whole = [self._ended(text) for text in texts]
        shown = [text.partition(self._form.mark)[0].strip() for text in decode(self._tokenizer, whole)]
        return [prompt + text for prompt, text in zip(prompts, whole, strict=True)], shown

    def _batch(
        self, histories: Sequence[History], k: int, beams: int, exclude: Sequence[History] | None, seed: list[int]
    ) -> Thoughtful:
        thoughts = self.config.thoughts
        prompts, texts = self.think(histories, seed)
        left_out = None if exclude is None else [exclude[row // thoughts] for row in range(len(prompts))]
        found = self._search(prompts, beams=beams, exclude=left_out)
        ranking, after = union(found, thoughts, k)
        return Thoughtful(ranking, [texts[at : at + thoughts] for at in range(0, len(texts), thoughts)], after)

    def _prompt(self, history: History) -> list[int]:
        """Return the prompt of a history's latest items."""
        most = min(self.generator.history_length, self._room())
        latest = np.asarray(history, dtype=np.int64)[max(0, len(history) - most) :]
        return self._form.prompt.ids(self.generator.tokens[latest])

    def _room(self) -> int:
        """Return how many items fit before a thought and an item."""
        levels = self.generator.vocabulary.levels
        around = self._form.prompt.fixed + self.config.tokens + len(self._form.mark_ids) + levels
        room = (positions_of(self.generator.model) - around) // levels
        if room < 1:
            raise ArtifactError(
                f"A thought of {self.config.tokens} tokens leaves no room for a history in the model's "
                f"{positions_of(self.generator.model)} positions.",
                "Ask for shorter thoughts.",
            )
        return room

    def _ended(self, text: list[int]) -> list[int]:
        """Return a thought that ends with the mark, by force where it was cut off."""
        mark = self._form.mark
        return text if decode(self._tokenizer, [text])[0].endswith(mark) else [*text, *self._form.mark_ids]


def search_of(generator: Generator) -> TreeBeamSearch:
    """Return the tree search over a generator's catalogue."""
    catalogue = generator.catalogue
    trie = Trie.build(catalogue.codes, catalogue.codebook_sizes)
    return TreeBeamSearch(generator.model, trie, generator.vocabulary.offsets)


def _nothing(k: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    return np.zeros((0, k), np.int64), np.zeros((0, k), np.float32)
