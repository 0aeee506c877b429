"""A recommender takes versions of its catalogue while it serves."""

from __future__ import annotations

import threading
import time
from itertools import cycle

import numpy as np
import pytest

from genrec.decoding import Ranking, Recommender
from genrec.decoding.new_items import keep_places
from genrec.errors import ArtifactError, DataError
from genrec.models import Generator
from genrec.semantic_ids import Catalogue
from tests.decoding.worlds import World

SIZES = (5, 4, 3)


def named(codes: np.ndarray, prefix: str = "") -> Catalogue:
    """A catalogue whose item ids are the items' codes, after a prefix that tells versions apart."""
    names = [prefix + "-".join(map(str, row)) for row in codes.tolist()]
    return Catalogue(names, codes, SIZES, names)


@pytest.fixture
def world() -> World:
    return World.random("qwen3", SIZES, 40, seed=8)


@pytest.fixture
def recommender(world: World) -> Recommender:
    return Recommender(Generator(world.model, named(world.codes), 3), batch_size=2)


def lists(recommender: Recommender, histories: list[list[str]], k: int = 5) -> list[list[str]]:
    """Recommend as a server does: everything of one request over one version."""
    pinned = recommender.pinned()
    past = [pinned.catalogue.indices(history) for history in histories]
    ranking = pinned.recommend(past, k, beams=10, exclude=past)
    return [[pinned.catalogue.item_ids[item] for item in row if item >= 0] for row in ranking.items]


def test_after_use_it_answers_as_one_made_with_that_catalogue(world: World, recommender: Recommender) -> None:
    other = named(world.codes[::-1][:25])
    recommender.use(other)
    assert recommender.catalogue is other
    fresh = Recommender(Generator(world.model, other, 3))
    histories = [[], other.item_ids[:4], other.item_ids[7:8]]
    assert lists(recommender, histories) == lists(fresh, histories)
    assert {item for row in lists(recommender, histories) for item in row} <= set(other.item_ids)


def test_a_new_item_can_be_recommended_and_a_removed_one_cannot(recommender: Recommender) -> None:
    [[best, *rest]] = lists(recommender, [[]])
    whole = recommender.catalogue
    without = whole.take(np.flatnonzero(np.arange(len(whole)) != whole.index_of[best]))
    recommender.use(without)
    assert lists(recommender, [[]])[0][:4] == rest
    recommender.use(without.extended(whole.take(whole.indices([best]))))
    assert lists(recommender, [[]]) == [[best, *rest]]


def test_what_is_pinned_stays(world: World, recommender: Recommender) -> None:
    pinned = recommender.pinned()
    before = lists(pinned, [[]])
    recommender.use(named(world.codes[20:], "new "))
    assert lists(pinned, [[]]) == before
    assert all(item.startswith("new ") for item in lists(recommender, [[]])[0])


def test_other_codebook_sizes_are_refused_and_the_old_version_serves_on(recommender: Recommender) -> None:
    before = lists(recommender, [[]])
    larger = Catalogue(["a"], np.zeros((1, 3), np.int32), (5, 4, 4), ["a"])
    with pytest.raises(ArtifactError, match="5 × 4 × 4 codes, but the generator was trained with 5 × 4 × 3"):
        recommender.use(larger)
    shared = Catalogue(["a", "b"], np.zeros((2, 3), np.int32), SIZES, ["a", "b"])
    with pytest.raises(DataError, match="share a semantic ID"):
        recommender.use(shared)
    assert lists(recommender, [[]]) == before


def test_during_swaps_every_answer_is_wholly_from_one_version(world: World, recommender: Recommender) -> None:
    """Versions hold different items in different rows, so any mixture would give wrong names or a crash."""
    versions = {prefix: named(np.roll(world.codes, 13 * n, axis=0)[:30], prefix) for n, prefix in enumerate("xyz")}
    histories = [[], ["0"], ["3", "7"]]  # three requests are two batches

    def ask(source: Recommender) -> tuple[str, list[list[str]]]:
        pinned = source.pinned()
        past = [np.array([int(row) for row in history], dtype=np.int64) for history in histories]
        items = pinned.recommend(past, 5, beams=10).items
        return pinned.catalogue.item_ids[0][0], [[pinned.catalogue.item_ids[item] for item in row] for row in items]

    expected = {}
    for prefix, version in versions.items():
        recommender.use(version)
        expected[prefix] = ask(recommender)[1]
    assert len({str(answer) for answer in expected.values()}) == 3
    answers: list[tuple[str, list[list[str]]]] = []
    stop = threading.Event()

    def serve() -> None:
        while not stop.is_set():
            answers.append(ask(recommender))

    servers = [threading.Thread(target=serve) for _ in range(3)]
    for server in servers:
        server.start()
    try:
        turns, deadline = cycle(versions.values()), time.monotonic() + 60
        while len(answers) < 40 and time.monotonic() < deadline:
            recommender.use(next(turns))
    finally:
        stop.set()
        for server in servers:
            server.join()
    assert len(answers) >= 40
    assert {prefix for prefix, _ in answers} == set(versions)
    for prefix, answer in answers:
        assert answer == expected[prefix]


def test_one_call_keeps_to_one_version_even_when_it_is_swapped_inside(
    world: World, recommender: Recommender, monkeypatch: pytest.MonkeyPatch
) -> None:
    histories = [np.array([row]) for row in range(4)]  # two batches
    expected = recommender.recommend(histories, 5, beams=10)
    prompt, calls = Generator.prompt, []

    def swapping(self: Generator, history: np.ndarray) -> list[int]:
        calls.append(history)
        if len(calls) == 2:
            recommender.use(named(world.codes[::-1]))
        return prompt(self, history)

    monkeypatch.setattr(Generator, "prompt", swapping)
    found = recommender.recommend(histories, 5, beams=10)
    assert len(calls) == 4
    np.testing.assert_array_equal(found.items, expected.items)


def test_places_are_kept_for_new_items_in_the_order_of_their_scores(world: World) -> None:
    trained, new = named(world.codes[:30]), named(world.codes[30:], "new ")
    recommender = Recommender(Generator(world.model, trained, 3), batch_size=2)
    histories = [np.array([1, 2]), np.array([], dtype=np.int64), np.array([31, 4])]
    plain = recommender.recommend(histories[:2], 6, beams=10)
    np.testing.assert_array_equal(recommender.recommend(histories[:2], 6, 10, new_places=2).items, plain.items)

    recommender.use(trained.extended(new))
    whole = recommender.recommend(histories, 40, beams=60, exclude=histories)
    found = recommender.recommend(histories, 8, beams=60, exclude=histories, new_places=3)
    for row in range(3):
        items, scores = whole.items[row], whole.scores[row]
        first = items[:5]
        rest = [item for item in items if item >= 30 and item not in first]
        assert found.items[row].tolist() == [*first, *rest[:3]]
        score_of = dict(zip(items.tolist(), scores.tolist(), strict=True))
        assert found.scores[row] == pytest.approx([score_of[item] for item in found.items[row].tolist()], abs=1e-4)
    with pytest.raises(ValueError, match="between 0 and k = 8; it is 9"):
        recommender.recommend(histories, 8, new_places=9)


def test_where_new_items_are_too_few_the_others_close_the_gap() -> None:
    ranking = Ranking(
        np.array([[5, 3, 9, 1, 7], [5, 3, -1, -1, -1]]), np.array([[-1, -2, -3, -4, -5]] * 2, np.float32)
    )
    new = Ranking(np.array([[3, 7, -1], [8, -1, -1]]), np.array([[-2, -5, -9], [-6, -9, -9]], np.float32))
    found = keep_places(ranking, new, 3)
    assert found.items.tolist() == [[5, 3, 9, 1, 7], [5, 3, 8, -1, -1]]
    assert found.scores[0].tolist() == [-1, -2, -3, -4, -5]
    assert keep_places(ranking, new, 5).items[0].tolist() == [5, 9, 1, 3, 7]
