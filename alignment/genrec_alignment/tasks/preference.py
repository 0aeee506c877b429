"""What someone likes, in a sentence: told from a history, and asked with."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from genrec_alignment.tasks.task import EventTask, TaskRow, listed, pick
from genrec_alignment.tasks.texts import ItemTexts, top_terms

_MOST, _RECENT = 3, 3
_NEEDS = "categories, or titles that share words, and users with two training events"
_SUMMARISE = (
    "A person chose these items: {items}\nSum up what they like.",
    "What does someone like who picked {items}?",
    "History: {items}\nPreferences:",
    "Describe the taste of a person with this history: {items}",
)
_RECOMMEND = (
    "A person likes {summary}. Which item do they choose next?",
    "Recommend an item to someone who likes {summary}.",
    "Preferences: {summary}\nItem:",
    "Someone's taste is {summary}. Name an item for them.",
)


def summary(texts: ItemTexts, items: npt.NDArray[np.integer]) -> str:
    """Return the most frequent terms of a history, and the most frequent of its latest items if it is another."""
    terms = [texts.terms[item] for item in items]
    most = top_terms(terms, _MOST)
    lately = [term for term in top_terms(terms[-_RECENT:], 1) if term not in most]
    return f"{listed(most)}, lately {lately[0]}" if lately else listed(most)


class _AfterTerms(EventTask):
    """Events whose history ends with an item that has terms, so that there is something to say of it."""

    needs = _NEEDS

    def usable(self, events: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Say which events come after an item with terms."""
        return self.source.texts.has_terms[self.source.items[events - 1]]


class PreferenceSummary(_AfterTerms):
    """History → summary of preferences, by the log's own categories."""

    name = "preference_summary"

    def row(self, unit: int, rng: np.random.Generator) -> TaskRow:
        """Ask what a history tells of its user."""
        history, _ = self.example(unit)
        question = pick(rng, _SUMMARISE).format(items=self.source.sids(history))
        return TaskRow(self.name, question, f"{summary(self.source.texts, history)}.")


class PreferenceToSid(_AfterTerms):
    """Summary of preferences → next item."""

    name = "preference_to_sid"

    def row(self, unit: int, rng: np.random.Generator) -> TaskRow:
        """Ask for the item of a unit's event by what its history tells."""
        history, target = self.example(unit)
        question = pick(rng, _RECOMMEND).format(summary=summary(self.source.texts, history))
        return TaskRow(self.name, question, self.source.catalogue.sid(target))
