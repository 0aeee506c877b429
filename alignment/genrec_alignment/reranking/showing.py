"""Ways to show a list: as it came, in an order planned once, and planned again after every answer."""

from __future__ import annotations

import numpy as np

from genrec.reranking.marks import Float32, Int64, Past
from genrec.reranking.scorer import Scorer, Worth
from genrec.reranking.search import plan
from genrec.reranking.session import LiveSession, SearchSettings
from genrec_alignment.reranking.world import Shows


class Fixed(Shows):
    """Shows an order, whatever the answers.

    Args:
        order: places in the list.
    """

    def __init__(self, order: Int64) -> None:
        self._order = iter(order.tolist())

    def next(self) -> int:
        """Return the next place."""
        return int(next(self._order))


class Live(Shows):
    """Plans again for every item.

    Args:
        session: a session whose list's ids are their places.
        tells: whether it is told the answers.
    """

    def __init__(self, session: LiveSession, tells: bool = True) -> None:
        self._session, self._tells = session, tells

    def next(self) -> int:
        """Return the place of the session's next item."""
        item = self._session.next()
        assert item is not None
        return int(item)

    def told(self, place: int, viewed: bool, liked: bool) -> None:
        """Tell the session."""
        if self._tells:
            self._session.on_feedback(str(place), viewed, liked)


def as_given(items: Int64) -> Shows:
    """Show the list as it came."""
    return Fixed(np.arange(len(items)))


def sorted_once(scorer: Scorer, past: Past, vectors: Float32, features: Float32) -> Shows:
    """Show by worth, each item scored as if it came first."""
    worth, _ = scorer.judge(past, vectors, features)(np.zeros((1, 0), np.int64))
    return Fixed(np.argsort(-worth[0], kind="stable"))


def planned_once(scorer: Scorer, past: Past, vectors: Float32, features: Float32, width: int = 4) -> Shows:
    """Show an order that is planned to its end before the first item (full beam search)."""
    found = plan(scorer.judge(past, vectors, features), len(vectors), width, stability=2.0)
    return Fixed(np.array(found.order, np.int64))


def planned_again(
    scorer: Scorer,
    past: Past,
    vectors: Float32,
    features: Float32,
    tells: bool = True,
    search: SearchSettings | None = None,
) -> Shows:
    """Plan, show the first item, hear the answer (if ``tells``), plan again."""
    session = LiveSession(scorer, past, Worth(), search)
    session.offer([str(place) for place in range(len(vectors))], vectors, features)
    return Live(session, tells)
