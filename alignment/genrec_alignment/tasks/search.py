"""A search query in the question, the item that is looked for as the answer."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from genrec_alignment.tasks.task import ItemTask, TaskRow, pick
from genrec_alignment.tasks.texts import title_words

_MOST_WORDS = 4
_QUESTIONS = (
    "Search: {query}",
    "Someone types: {query}\nWhich item do they look for?",
    "Find an item for the query: {query}",
    "Query: {query}\nResult:",
)


class Search(ItemTask):
    """Query → semantic ID. The query is some of a title's words in their order, sometimes with one of its terms.

    LC-Rec's task of this kind (arXiv:2311.09049) has queries written by a language model; ours come from the log's
    own columns.
    """

    name = "search"
    needs = "titles (a column 'title' of items.parquet)"

    def usable(self) -> npt.NDArray[np.bool_]:
        """Say which items have a title with a word in it."""
        return np.array([bool(title_words(title)) for title in self.source.texts.titles], dtype=bool)

    def row(self, unit: int, rng: np.random.Generator) -> TaskRow:
        """Ask for an item by some of its words."""
        item = self.item(unit)
        question = pick(rng, _QUESTIONS).format(query=self._query(item, rng))
        return TaskRow(self.name, question, self.source.catalogue.sid(item))

    def _query(self, item: int, rng: np.random.Generator) -> str:
        words = title_words(self.source.texts.titles[item])
        count = int(rng.integers(1, min(len(words), _MOST_WORDS) + 1))
        query = [words[at] for at in np.sort(rng.choice(len(words), count, replace=False))]
        terms = [term.lower() for term in self.source.texts.terms[item] if term.lower() not in query]
        return " ".join([*([pick(rng, terms)] if terms and rng.random() < 0.5 else []), *query])
