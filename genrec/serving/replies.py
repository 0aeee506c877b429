"""What was found, in the words of those who asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from genrec.decoding.resemblance import resemblance
from genrec.serving.answers import (
    Explanation,
    Item,
    Like,
    RankedItem,
    RankedSession,
    Recommendation,
    Versions,
    Why,
)
from genrec.serving.asking import Ask
from genrec.serving.deployment import Deployment
from genrec.serving.searching import Found

RESEMBLANCE = "what each item and the history have in common; this is not how the model came to its answer"
THOUGHT = "what the model wrote before it chose"
Terms = Mapping[str, Sequence[str]]


def versions_of(deployment: Deployment) -> Versions:
    """Return what a deployment's answers were made with."""
    return Versions(
        name=deployment.name,
        model=deployment.model,
        catalogue=deployment.number,
        catalogue_digest=deployment.catalogue.digest,
    )


class Replies:
    """Words answers.

    Args:
        pictures: the items that have a picture.
        terms: the categories of items; empty where they are not known.
    """

    def __init__(self, pictures: frozenset[str], terms: Terms) -> None:
        self._pictures, self._terms = pictures, terms

    def item(self, deployment: Deployment, row: int) -> Item:
        """Return the item of an ``item_index``."""
        return Item(**self._fields(deployment, row))

    def recommendation(self, ask: Ask, found: Found) -> Recommendation:
        """Return the answer to one request."""
        catalogue = ask.deployment.catalogue
        answer = Recommendation(
            history=[catalogue.item_ids[item] for item in ask.past.items],
            cold_start=not len(ask.past) and ask.prompt is None,
            ignored=ask.ignored,
            titles=ask.titles,
            explanation=_explanation(ask, found),
        )
        if ask.request.session is None:
            answer.items = self._ranked(ask, found.items.tolist(), found.scores.tolist(), found.after)
        else:
            answer.sessions = self._sessions(ask, found)
        return answer

    def _sessions(self, ask: Ask, found: Found) -> list[RankedSession]:
        assert found.item_scores is not None  # the search of sessions gives them
        rows = zip(found.items.tolist(), found.scores.tolist(), found.item_scores.tolist(), strict=True)
        return [
            RankedSession(score=round(score, 5), items=self._ranked(ask, items, scores))
            for items, score, scores in rows
            if items[0] >= 0
        ]

    def _ranked(
        self, ask: Ask, items: Sequence[int], scores: Sequence[float], after: Sequence[int] = ()
    ) -> list[RankedItem]:
        ranked, seen = [], self._terms_of(ask) if ask.request.explain else frozenset()
        for at, (item, score) in enumerate(zip(items, scores, strict=True)):
            if item >= 0:
                why = self._why(ask, item, seen, after[at] if after else None) if ask.request.explain else None
                ranked.append(RankedItem(**self._fields(ask.deployment, item), score=round(score, 5), why=why))
        return ranked

    def _terms_of(self, ask: Ask) -> frozenset[str]:
        """Return the categories of the history."""
        item_ids = ask.deployment.catalogue.item_ids
        return frozenset(term for item in ask.past.items for term in self._terms.get(item_ids[item], ()))

    def _why(self, ask: Ask, item: int, seen: frozenset[str], thought: int | None) -> Why:
        if thought is not None:
            return Why(thought=thought)
        catalogue = ask.deployment.catalogue
        found = resemblance(catalogue.codes, ask.past.items, item)
        like = [
            Like(item_id=catalogue.item_ids[other], title=catalogue.titles[other], shared_codes=shared)
            for other, shared in zip(found.items, found.codes, strict=True)
        ]
        own = self._terms.get(catalogue.item_ids[item], ())
        return Why(like=like, terms=[term for term in own if term in seen][:3])

    def _fields(self, deployment: Deployment, row: int) -> dict:
        catalogue = deployment.catalogue
        item_id = catalogue.item_ids[row]
        return {
            "item_id": item_id,
            "title": catalogue.titles[row],
            "semantic_id": catalogue.sid(row),
            "codes": catalogue.codes[row].tolist(),
            "image": item_id in self._pictures,
        }


def _explanation(ask: Ask, found: Found) -> Explanation | None:
    if not ask.request.explain:
        return None
    if ask.thinks:
        return Explanation(kind="thought", note=THOUGHT, thoughts=list(found.thoughts))
    return Explanation(kind="resemblance", note=RESEMBLANCE)
