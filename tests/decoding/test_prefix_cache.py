"""Prompts that begin like earlier ones: what was kept gives the answers that computing it again does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from genrec.decoding import Recommender, TreeBeamSearch, Trie
from genrec.decoding.engines.opening import TreeEngine
from genrec.decoding.prefix_cache import CacheFigures, PrefixCache
from genrec.decoding.prompts import Prompts
from genrec.decoding.ranking import Ranking
from genrec.models import DecoderConfig, build_generator
from genrec.models.histories import HistoryBatch
from genrec.semantic_ids import Catalogue
from tests.decoding.worlds import World, random_codes
from tests.models.tiny_models import SIZES, random_histories, tiny_model

CAUSAL = ["qwen3", "gpt2", "causal", "from_history", "lazy", "lazy_everything"]
LARGE = 10**8
# What is read of four users' histories in each request: they grow by one or two positions, come back unchanged,
# come for the first time, are cut at their old end, and are empty.
REQUESTS: list[dict[str, slice]] = [
    {"ann": slice(4), "bob": slice(7)},
    {"ann": slice(5), "bob": slice(7), "cy": slice(3)},
    {"cy": slice(5), "ann": slice(6), "dan": slice(0), "bob": slice(2, 9)},
    {"bob": slice(2, 10), "cy": slice(6), "dan": slice(1)},
]
USERS = ["ann", "bob", "cy", "dan"]


class Asked:
    """A model, its catalogue, and what it reads of users' histories."""

    def __init__(self, kind: str) -> None:
        self.rng = np.random.default_rng(1)
        if kind in ("qwen3", "gpt2"):
            world = World.random(kind, SIZES, 60, seed=0)
            self.model, self.trie, self.offsets = world.model, world.trie, world.vocabulary.offsets
            tokens = {user: self.rng.integers(1, world.vocabulary.size, 12).tolist() for user in USERS}
            self.prompts: Callable[[dict[str, slice]], Prompts | HistoryBatch] = lambda request: [
                [0, *tokens[user][part]] for user, part in request.items()
            ]
        else:
            self.model, self.offsets = tiny_model(kind), [0] * len(SIZES)
            self.trie = Trie.build(random_codes(SIZES, 60, self.rng), SIZES)
            events = random_histories([12] * len(USERS), seed=1)
            self.prompts = lambda request: _cut(events, request)

    def search(self, kept: PrefixCache | None = None) -> TreeBeamSearch:
        return TreeBeamSearch(self.model, self.trie, self.offsets, kept)


def _cut(events: HistoryBatch, request: dict[str, slice]) -> HistoryBatch:
    """Return parts of users' events as one right-padded batch."""
    lengths = [len(range(12)[part]) for part in request.values()]
    batch = random_histories(lengths)
    for row, (user, part) in enumerate(request.items()):
        for name in ("codes", "rows", "features"):
            getattr(batch, name)[row, : lengths[row]] = getattr(events, name)[USERS.index(user), part]
    return batch


def agree(found: Ranking, wanted: Ranking) -> None:
    np.testing.assert_array_equal(found.items, wanted.items)
    np.testing.assert_allclose(found.scores, wanted.scores, atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", CAUSAL)
def test_what_was_kept_gives_the_answers_of_computing_it_again(kind: str) -> None:
    asked, cache = Asked(kind), PrefixCache(LARGE)
    cached, plain = asked.search(cache), asked.search()
    hits = []
    for request in REQUESTS:
        before = cache.figures.hits
        agree(cached(asked.prompts(request), beams=10), plain(asked.prompts(request), beams=10))
        hits.append(cache.figures.hits - before)
    # New are ann and bob, then cy, then dan and bob's cut history, which goes on from there at the end.
    assert hits == [0, 2, 2, 3]
    assert cache.figures.misses == sum(map(len, REQUESTS)) - sum(hits)


@pytest.mark.parametrize("kind", CAUSAL)
def test_sessions_and_exclusions_are_the_same_too(kind: str) -> None:
    asked, cache = Asked(kind), PrefixCache(LARGE)
    for request in REQUESTS[:2]:
        prompts, exclude = asked.prompts(request), [[0, 5, 9]] * len(request)
        found, wanted = (
            search.sessions(prompts, 2, beams=8, k=3, exclude=exclude)
            for search in (asked.search(cache), asked.search())
        )
        np.testing.assert_array_equal(found.items, wanted.items)
        np.testing.assert_allclose(found.scores, wanted.scores, atol=1e-5, rtol=0)
    assert cache.figures.hits == 2


@pytest.mark.parametrize("kind", CAUSAL)
def test_less_is_computed(kind: str) -> None:
    """Broken states must show, or the tests above would pass without a cache."""
    asked, cache = Asked(kind), PrefixCache(LARGE)
    search = asked.search(cache)
    search(asked.prompts(REQUESTS[0]), beams=10)
    for states in cache._kept.values():
        for tensor in states:
            tensor.zero_()
    found = search(asked.prompts(REQUESTS[1]), beams=10)
    wanted = asked.search()(asked.prompts(REQUESTS[1]), beams=10)
    assert np.abs(found.scores[:2] - wanted.scores[:2]).max() > 0.01
    np.testing.assert_allclose(found.scores[2], wanted.scores[2], atol=1e-5, rtol=0)


def test_a_model_that_reads_histories_both_ways_keeps_nothing() -> None:
    asked, cache = Asked("encoder_decoder"), PrefixCache(LARGE)
    for request in REQUESTS[:2]:
        agree(asked.search(cache)(asked.prompts(request), 10), asked.search()(asked.prompts(request), 10))
    assert cache.figures == CacheFigures()


def states(positions: int) -> tuple[torch.Tensor, ...]:
    return torch.zeros(2, positions, 4), torch.zeros(1, positions, 2)


SIZE = 4 * (2 * 4 + 2)  # bytes of one position


def test_the_bound_holds_and_what_was_not_used_longest_goes_first() -> None:
    cache = PrefixCache(10 * SIZE)
    cache.keep((1, 2, 3, 4), states(4))
    cache.keep((5, 6, 7, 8), states(4))
    assert cache.find((1, 2, 3, 4, 9)).length == 4
    cache.keep((9, 9, 9), states(3))
    assert cache.figures.bytes == 7 * SIZE <= 10 * SIZE
    assert cache.find((5, 6, 7, 8, 9)).length == 0
    assert cache.find((1, 2, 3, 4, 9)).length == 4
    cache.keep(tuple(range(20, 31)), states(11))
    assert cache.figures.prompts == 2, "what is larger than the bound is not kept"


def test_a_continuation_takes_the_place_of_its_beginning() -> None:
    cache = PrefixCache(LARGE)
    cache.keep((1, 2, 3), states(3))
    cache.keep((1, 2, 3, 4), states(4))
    cache.keep((1, 2), states(2))
    assert cache.figures == CacheFigures(0, 0, 1, 4 * SIZE)
    assert cache.find((1, 2, 3)).length == 2, "the last position is read in any case"


@pytest.mark.parametrize(
    ("prompt", "length"),
    [((1, 2, 3, 4, 5), 4), ((1, 2, 3, 4), 3), ((1, 2, 3, 7), 3), ((1, 2, 8, 9), 2), ((1, 8, 9), 0), ((7, 8), 0)],
)
def test_the_longest_common_beginning_is_found(prompt: tuple[int, ...], length: int) -> None:
    cache = PrefixCache(LARGE)
    for kept in ((1, 2, 3, 4), (1, 2, 4), (1, 3, 3, 4), (2, 3)):
        cache.keep(kept, states(len(kept)))
    assert cache.find(prompt).length == length
    assert cache.figures.hits == (length > 0)


def generator_of(codes: np.ndarray, seed: int = 0) -> Recommender:
    torch.manual_seed(seed)
    names = [f"i{row}" for row in range(len(codes))]
    config = DecoderConfig(hidden_size=16, intermediate_size=16, layers=2, heads=2)
    return build_generator(config, Catalogue(names, codes, SIZES, names), 6)


def test_a_new_version_of_the_catalogue_is_answered_right() -> None:
    """Its items have changed their IDs, so that the same history is another prompt."""
    codes = random_codes(SIZES, 40, np.random.default_rng(2))
    generator = generator_of(codes)
    cached = Recommender(generator, engine=TreeEngine(generator.model, cache_mb=10))
    history, longer = np.arange(4), np.arange(5)
    cached.recommend([history], beams=10)
    turned = Catalogue(generator.catalogue.item_ids, np.roll(codes, 7, axis=0), SIZES, generator.catalogue.titles)
    cached.use(turned)
    plain = Recommender(generator)
    plain.use(turned)
    agree(cached.recommend([longer], beams=10), plain.recommend([longer], beams=10))
    assert cached.engine.cache_figures().hits == 0
    agree(cached.recommend([np.arange(6)], beams=10), plain.recommend([np.arange(6)], beams=10))
    assert cached.engine.cache_figures().hits == 1


def test_a_history_that_no_longer_fits_is_read_anew() -> None:
    generator = generator_of(random_codes(SIZES, 40, np.random.default_rng(2)))
    cached = Recommender(generator, engine=TreeEngine(generator.model, cache_mb=10))
    for length in range(3, 10):  # it reads the latest six
        history = np.arange(length)
        agree(cached.recommend([history], beams=10), Recommender(generator).recommend([history], beams=10))
    assert cached.engine.cache_figures()[:2] == (3, 4)


def test_another_model_has_a_cache_of_its_own() -> None:
    codes = random_codes(SIZES, 40, np.random.default_rng(2))
    for seed in (0, 1):
        generator = generator_of(codes, seed)
        cached = Recommender(generator, engine=TreeEngine(generator.model, cache_mb=10))
        agree(cached.recommend([np.arange(4)]), Recommender(generator).recommend([np.arange(4)]))
        assert cached.engine.cache_figures().misses == 1


def test_an_engine_of_its_own_process_tells_how_its_cache_fares(tmp_path: Path) -> None:
    generator = generator_of(random_codes(SIZES, 40, np.random.default_rng(2)))
    generator.save_pretrained(tmp_path)
    apart = Recommender.from_pretrained(tmp_path, apart=True, cache_mb=10)
    for length in (4, 5):
        history = np.arange(length)
        agree(apart.recommend([history]), Recommender(generator).recommend([history]))
    figures = apart.engine.cache_figures()
    assert (figures.hits, figures.misses, figures.prompts) == (1, 1, 1)
    assert figures.bytes > 0
    apart.engine.close()
