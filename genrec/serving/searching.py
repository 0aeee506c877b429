"""A batch of requests searched together, as far as they can be."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from genrec.decoding.ranking import Ranking
from genrec.decoding.requests import readable
from genrec.serving.asking import Ask


class Found(NamedTuple):
    """What the search found for one request, best first; -1 and -inf where there is nothing more.

    Args:
        items: int64 [k], or [k, length] for sessions, ``item_index``.
        scores: float32 [k].
        item_scores: float32 [k, length] for sessions.
        thoughts: what the model wrote before.
        after: the thought that each item was found after.
    """

    items: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float32]
    item_scores: npt.NDArray[np.float32] | None = None
    thoughts: Sequence[str] = ()
    after: Sequence[int] = ()


class Searcher:
    """Answers batches of requests; requests that a search can take together share one.

    Args:
        beams: beams searched at once; wider requests go in smaller parts.
    """

    def __init__(self, beams: int) -> None:
        self._beams = beams

    def __call__(self, asks: Sequence[Ask]) -> list[Found | Exception]:
        """Return what was found for each request, or the error that its group came to."""
        groups: dict[Hashable, list[int]] = defaultdict(list)
        for at, ask in enumerate(asks):
            groups[_key(ask)].append(at)
        results: list[Found | Exception] = [RuntimeError("not searched")] * len(asks)
        for members in groups.values():
            rows = max(1, self._beams // asks[members[0]].width)
            for start in range(0, len(members), rows):
                part = members[start : start + rows]
                for at, found in zip(part, _together([asks[at] for at in part]), strict=True):
                    results[at] = found
        return results


def _key(ask: Ask) -> Hashable:
    """Return what requests must have in common to be searched together; k is cut afterwards."""
    request = ask.request
    places = (request.new_places, request.places) if request.new_places else None
    kind = (ask.prompt is not None, ask.thinks)
    return id(ask.deployment), ask.width, request.session, request.domain, places, kind


def _together(asks: Sequence[Ask]) -> Sequence[Found | Exception]:
    try:
        return _method(asks[0])(asks)
    except Exception as error:  # one group's failure is not the others'
        return [error] * len(asks)


def _method(ask: Ask) -> Callable[[Sequence[Ask]], list[Found]]:
    if ask.thinks:
        return _thoughts
    if ask.request.session is not None:
        return _sessions
    return _items if ask.request.domain is None else _of_domain


def _items(asks: Sequence[Ask]) -> list[Found]:
    recommender, places = asks[0].deployment.recommender, asks[0].request.new_places
    k, beams, exclude = _most(asks), asks[0].width, [ask.exclude for ask in asks]
    prompts = [ask.prompt for ask in asks if ask.prompt is not None]  # all or none of them have one
    if prompts:
        return _cut(asks, recommender.recommend_prompts(prompts, k, beams, exclude, places))
    return _cut(asks, recommender.recommend([ask.past for ask in asks], k, beams, exclude, places))


def _of_domain(asks: Sequence[Ask]) -> list[Found]:
    deployment, domain = asks[0].deployment, asks[0].request.domain
    prompts = deployment.generator.prompts(readable(deployment.generator, [ask.past for ask in asks]))
    search = deployment.searches[domain or ""]
    return _cut(asks, search(prompts, _most(asks), asks[0].width, [ask.exclude for ask in asks]))


def _sessions(asks: Sequence[Ask]) -> list[Found]:
    found = asks[0].deployment.recommender.sessions(
        [ask.past for ask in asks],
        asks[0].request.session or 1,
        _most(asks),
        asks[0].width,
        [ask.exclude for ask in asks],
    )
    wanted = [ask.request.places for ask in asks]
    return [
        Found(found.items[row, :k], found.scores[row, :k], found.item_scores[row, :k])
        for row, k in enumerate(wanted)
    ]


def _thoughts(asks: Sequence[Ask]) -> list[Found]:
    thinking = asks[0].deployment.thinking
    assert thinking is not None  # what thinks has a form
    found = thinking.recommend(
        [ask.past.items for ask in asks], _most(asks), asks[0].width, [ask.exclude for ask in asks]
    )
    cut = _cut(asks, found.ranking)
    return [
        one._replace(thoughts=found.thoughts[row], after=found.after[row].tolist()) for row, one in enumerate(cut)
    ]


def _cut(asks: Sequence[Ask], ranking: Ranking) -> list[Found]:
    return [
        Found(ranking.items[row, : ask.request.places], ranking.scores[row, : ask.request.places])
        for row, ask in enumerate(asks)
    ]


def _most(asks: Sequence[Ask]) -> int:
    return max(ask.request.places for ask in asks)
