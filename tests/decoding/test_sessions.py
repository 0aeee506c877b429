"""Sessions: no item twice, none that is excluded, and the scores and lists of a plain search."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from genrec.decoding import Sessions
from tests.decoding.session_worlds import (
    HISTORY_KINDS,
    KINDS,
    SessionWorld,
    decided,
    plain_search,
    session_world,
)

TOLERANCE = 2e-4


def real(found: Sessions, row: int) -> list[tuple[tuple[int, ...], float]]:
    """Return one request's sessions without the padding."""
    pairs = zip(found.items[row].tolist(), found.scores[row].tolist(), strict=True)
    return [(tuple(item for item in items if item >= 0), score) for items, score in pairs if score > -np.inf]


@st.composite
def cases(draw: st.DrawFn) -> tuple[SessionWorld, list[set[int]], int, int]:
    sizes = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=3)))
    items = draw(st.integers(1, min(int(np.prod(sizes)), 12)))
    lengths = draw(st.lists(st.integers(0, 6), min_size=1, max_size=3))
    world = session_world(draw(st.sampled_from(KINDS)), sizes, items, draw(st.integers(0, 999)), lengths)
    exclude = [draw(st.sets(st.integers(0, items - 1), max_size=items)) for _ in lengths]
    return world, exclude, draw(st.integers(1, 4)), draw(st.sampled_from([1, 2, 3, 5, 8, 30]))


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(cases())
def test_the_laws_of_sessions(case: tuple[SessionWorld, list[set[int]], int, int]) -> None:
    world, exclude, length, beams = case
    given = [np.array(sorted(gone), dtype=np.int64) for gone in exclude]
    found = world.search.sessions(world.prompts, length, beams, k=beams, exclude=given, distinct=False)
    assert found.items.shape == found.item_scores.shape == (len(exclude), beams, length)
    assert ((found.items < 0) == (found.item_scores == -np.inf)).all()
    for row, gone in enumerate(exclude):
        sessions = real(found, row)
        assert len({items for items, _ in sessions}) == len(sessions)
        assert (np.diff([score for _, score in sessions]) <= 0).all()
        for place, (items, score) in enumerate(sessions):
            assert len(items) == len(set(items)) == min(length, len(world.codes) - len(gone))
            assert not gone & set(items)
            item_scores = found.item_scores[row, place, : len(items)]
            assert score == pytest.approx(float(item_scores.sum()), abs=TOLERANCE)
            if place < 2:
                assert item_scores.tolist() == pytest.approx(world.rescore(row, items), abs=TOLERANCE)
        wanted, gap = plain_search(world, row, length, beams, gone)
        event("decided" if decided(gap) else "near tie")
        if decided(gap):
            assert [items for items, _ in sessions] == [items for items, _ in wanted]


@pytest.mark.parametrize("kind", KINDS)
def test_beams_that_cover_everything_find_all_sessions_by_plain_scores(kind: str) -> None:
    world = session_world(kind, (3, 2), 5, seed=1, lengths=[4, 1])
    found = world.search.sessions(world.prompts, 3, beams=70, k=70, exclude=[[], [2]], distinct=False)
    for row, items in enumerate([range(5), (0, 1, 3, 4)]):
        scores = {session: sum(world.rescore(row, session)) for session in permutations(items, 3)}
        assert dict(real(found, row)) == pytest.approx(scores, abs=TOLERANCE)


@pytest.mark.parametrize("kind", KINDS)
def test_more_beams_than_items_rank_the_catalogue_by_plain_scores(kind: str) -> None:
    world = session_world(kind, (4, 3, 3), 30, seed=3, lengths=[5, 0, 2])
    found = world.search(world.prompts, beams=40)
    for row in range(3):
        scores = {item: world.rescore(row, [item])[0] for item in range(30)}
        ranked = dict(zip(found.items[row, :30].tolist(), found.scores[row, :30].tolist(), strict=True))
        assert ranked == pytest.approx(scores, abs=TOLERANCE)
        assert (found.items[row, 30:] == -1).all()


@pytest.mark.parametrize("kind", KINDS)
def test_a_session_of_one_item_is_a_recommendation(kind: str) -> None:
    world = session_world(kind, (4, 3, 3), 30, seed=4, lengths=[5, 0, 2])
    exclude = [np.array([1, 2]), np.array([], dtype=np.int64), np.arange(28)]
    items = world.search(world.prompts, beams=8, exclude=exclude)
    sessions = world.search.sessions(world.prompts, 1, beams=8, k=8, exclude=exclude)
    np.testing.assert_array_equal(sessions.items[:, :, 0], items.items)
    np.testing.assert_array_equal(sessions.scores, items.scores)
    np.testing.assert_array_equal(sessions.item_scores[:, :, 0], items.scores)


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_gives_what_its_prompts_give_one_by_one(kind: str) -> None:
    together = session_world(kind, (4, 3, 3), 30, seed=5, lengths=[6, 0, 3])
    found = together.search.sessions(together.prompts, 3, beams=6, k=3)
    for row, length in enumerate([6, 0, 3]):
        wanted, gap = plain_search(together, row, 3, 6, set())
        assert decided(gap), "the seed gives near ties; choose another"
        assert real(found, row)[0][0] == wanted[0][0], length


def test_the_same_items_in_another_order_are_one_session_unless_all_are_wanted() -> None:
    world = session_world("onerec", (3, 2), 5, seed=6, lengths=[3, 2])
    every = world.search.sessions(world.prompts, 2, beams=20, k=20, distinct=False)
    found = world.search.sessions(world.prompts, 2, beams=20, k=20)
    for row in range(2):
        best: dict[frozenset[int], tuple[tuple[int, ...], float]] = {}
        for items, score in real(every, row):
            best.setdefault(frozenset(items), (items, score))
        assert len(real(every, row)) == 20
        assert real(found, row) == list(best.values())
        assert len(best) == 10


def test_a_catalogue_that_is_used_up_ends_sessions_early_request_by_request() -> None:
    world = session_world("onerec_lazy", (3, 2), 4, seed=7, lengths=[2, 2, 2])
    found = world.search.sessions(world.prompts, 4, beams=9, k=2, exclude=[[], [0, 1, 2], [0, 1, 2, 3]])
    assert (found.items >= 0).sum(axis=2).tolist() == [[4, 0], [1, 0], [0, 0]]
    assert found.items[1, 0].tolist() == [3, -1, -1, -1]


@pytest.mark.parametrize("kind", KINDS)
def test_every_code_is_run_once(kind: str) -> None:
    world = session_world(kind, (4, 3), 12, seed=8, lengths=[3, 2])
    search, widths = world.search, []
    start = search.stepper.start

    def counted(*given: object) -> object:
        decoding = start(*given)
        extend = decoding.extend
        decoding.extend = lambda origin, codes, level: widths.append(codes.shape[1]) or extend(origin, codes, level)
        return decoding

    search.stepper.start = counted
    search.sessions(world.prompts, 2, beams=5)
    # No wider than the trie at first; the last code of the session predicts nothing and is not run.
    assert widths == [min(5, len(search.trie.levels[0])), 5, 5]


@pytest.mark.parametrize("kind", HISTORY_KINDS)
def test_longer_sessions_than_the_model_writes_are_refused(kind: str) -> None:
    world = session_world(kind, (3, 2), 5, seed=9, lengths=[2])
    with pytest.raises(ValueError, match="sessions of at most 4 items, not 5"):
        world.search.sessions(world.prompts, 5)
    with pytest.raises(ValueError, match="at least one item"):
        world.search.sessions(world.prompts, 0)
    with pytest.raises(ValueError, match="reads a HistoryBatch"):
        world.search([[1, 2]])


def test_what_a_model_cannot_read_is_refused() -> None:
    events, tokens = (session_world(kind, (3, 2), 5, 9, [2]) for kind in ("onerec", "qwen3"))
    with pytest.raises(ValueError, match="not a HistoryBatch"):
        tokens.search(events.prompts)
    with pytest.raises(ValueError, match=r"made for codebooks of \[3, 2\] codes"):
        type(events.search)(events.model, session_world("onerec", (4, 2), 5, 9, [2]).search.trie, [0, 0])
