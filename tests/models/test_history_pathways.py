"""The technical report's views of a history: what each of them reads, in both models of the OneRec family."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from genrec.config import explain
from genrec.data.categories import Liked, Words
from genrec.data.features import Features
from genrec.errors import ConfigError
from genrec.models import Events, Generator, build_generator
from genrec.models.onerec.base import OneRecBase
from genrec.models.onerec.config import EncoderDecoderConfig, LazyDecoderConfig
from genrec.models.onerec.history.places import newest
from genrec.semantic_ids import Catalogue

ITEMS = 12
CATALOGUE = Catalogue(
    [f"i{item:02}" for item in range(ITEMS)],
    np.stack([np.arange(ITEMS) // 4, np.arange(ITEMS) % 4], axis=1).astype(np.int32),
    (3, 4),
    [""] * ITEMS,
)
FEATURES = Features(
    {"behavior": Words(("like", "view")), "user:city": Words(("Oslo", "Rome"), True), "liked": Liked()}
)
VIEWS = {"short": 2, "positive": 3, "lifelong": 6, "lifelong_queries": 4, "lifelong_layers": 1}
SHAPE = {"hidden_size": 16, "intermediate_size": 24, "heads": 2}
KINDS = ["encoder_decoder", "lazy_decoder"]


def generator_of(kind: str, **pathways: Any) -> Generator:
    torch.manual_seed(0)
    config = {"encoder_decoder": EncoderDecoderConfig, "lazy_decoder": LazyDecoderConfig}[kind]
    shape = config.model_validate({**SHAPE, "history": {"pathways": VIEWS | pathways}})
    generator = build_generator(shape, CATALOGUE, 50, features=FEATURES)
    generator.model.eval()
    return generator


def history(*events: tuple[int, int], city: int = 1) -> Events:
    """Return events of (item, 2 for liked or 1), all views, of someone in a city."""
    items, liked = (np.array([event[at] for event in events], dtype=np.int64) for at in (0, 1))
    return Events(
        items, np.stack([np.full(len(events), 2), np.full(len(events), city), liked], axis=1).reshape(-1, 3)
    )


def keys(generator: Generator, *histories: Events) -> torch.Tensor:
    with torch.no_grad():
        return generator.model.encode(generator.prompts(histories)).keys[0]


def vectors(generator: Generator, events: Events) -> int:
    return int(generator.model.encode(generator.prompts([events])).mask.sum())


@given(st.lists(st.lists(st.booleans(), min_size=6, max_size=6), min_size=1, max_size=4), st.integers(1, 8))
def test_the_newest_of_what_is_marked(rows: list[list[bool]], most: int) -> None:
    found = newest(torch.tensor(rows), most).tolist()
    for row, places in zip(rows, found, strict=True):
        marked = [place for place in reversed(range(6)) if row[place]][:most]
        assert places == marked + [-1] * (min(most, 6) - len(marked))


@pytest.mark.parametrize("kind", KINDS)
def test_how_many_vectors_there_are(kind: str) -> None:
    generator = generator_of(kind)
    assert vectors(generator, history()) == 1 + 1  # sink and profile
    assert vectors(generator, history((3, 1))) == 2 + 1 + 0 + 4
    assert vectors(generator, history((3, 2), (4, 1), (5, 2))) == 2 + 2 + 2 + 4
    assert vectors(generator, history(*[(3, 2)] * 40)) == 2 + 2 + 3 + 4
    assert vectors(generator_of(kind, profile=False, lifelong=0), history((3, 1), (4, 2))) == 1 + 2 + 1


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_views_read(kind: str) -> None:
    """Without a lifelong view an old event counts if it is liked, and only then."""
    generator = generator_of(kind, lifelong=0)
    base = [(0, 1), (1, 2), (2, 2), (3, 2), (4, 1), (5, 1)]
    before = keys(generator, history(*base))
    for place, counts in ((0, False), (1, True), (3, True), (5, True)):
        changed = list(base)
        changed[place] = (9, base[place][1])
        assert torch.equal(keys(generator, history(*changed)), before) is not counts
    older = [(7, 2), *base]  # a fourth liked event, older than the other three
    assert torch.equal(keys(generator, history(*older)), before)
    with_lifelong = generator_of(kind)
    changed = [(9, 1), *base[1:]]
    assert not torch.equal(keys(with_lifelong, history(*changed)), keys(with_lifelong, history(*base)))


@pytest.mark.parametrize("kind", KINDS)
def test_the_profile_is_a_view_of_its_own(kind: str) -> None:
    generator = generator_of(kind, lifelong=0)
    here, there = (keys(generator, history((3, 1), (4, 1), city=city)) for city in (1, 2))
    changed = (here != there).any(dim=3)[0, 0].tolist()
    assert changed[1]
    assert generator.model.events.columns == [0, 2]
    if kind == "lazy_decoder":  # no blocks over the history: the other vectors stay as they are
        assert changed[:4] == [False, True, False, False]


@pytest.mark.parametrize("kind", KINDS)
def test_no_rule_for_positive_feedback_takes_all_events(kind: str) -> None:
    torch.manual_seed(0)
    config = {"encoder_decoder": EncoderDecoderConfig, "lazy_decoder": LazyDecoderConfig}[kind]
    shape = config.model_validate({**SHAPE, "history": {"pathways": VIEWS | {"lifelong": 0}}})
    generator = build_generator(shape, CATALOGUE, 50)
    assert vectors(generator, Events(np.arange(9))) == 1 + 2 + 3


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=6, deadline=None)
@given(st.lists(st.lists(st.tuples(st.integers(0, 11), st.integers(1, 2)), max_size=14), min_size=2, max_size=4))
def test_a_history_means_the_same_in_every_batch(kind: str, histories: list[list[tuple[int, int]]]) -> None:
    generator = generator_of(kind)
    batch = [history(*events) for events in histories]
    together = generator.model.encode(generator.prompts(batch))
    for row, events in enumerate(batch):
        alone = generator.model.encode(generator.prompts([events]))
        assert together.mask[row].sum() == alone.mask.sum()
        ours = together.keys[0][row][:, together.mask[row]]
        assert torch.allclose(ours, alone.keys[0][0][:, alone.mask[0]], atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_every_weight_learns(kind: str) -> None:
    generator = generator_of(kind)
    model = generator.model.train()
    batch = generator.prompts([history((1, 2), (2, 1), (3, 2)), history((4, 2), city=2), history()])
    targets = torch.from_numpy(CATALOGUE.codes[[5, 6, 7]].astype(np.int64))[:, None, None]
    model(batch.codes, batch.rows, batch.features, batch.mask, targets).loss.backward()
    without = [name for name, weight in model.named_parameters() if weight.grad is None]
    assert without == []
    assert all(torch.isfinite(weight.grad).all() for weight in model.parameters())


@pytest.mark.parametrize("kind", KINDS)
def test_one_task_a_history(kind: str) -> None:
    generator = generator_of(kind)
    batch = generator.prompts([history((1, 2), (2, 1))])
    targets = torch.zeros(1, 2, 1, 2, dtype=torch.int64)
    with pytest.raises(ValueError, match="read as a whole"):
        generator.model(
            batch.codes, batch.rows, batch.features, batch.mask, targets, visible=torch.tensor([[1, 2]])
        )


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_saved_and_loaded(kind: str, tmp_path: Path) -> None:
    generator = generator_of(kind)
    generator.save_pretrained(tmp_path)
    again = Generator.from_pretrained(tmp_path, device="cpu")
    assert isinstance(again.model, OneRecBase)
    long = history(*[(item % ITEMS, 1 + item % 2) for item in range(30)])
    assert torch.equal(keys(generator, long, history()), keys(again, long, history()))
    assert again.condenser is not None
    assert len(again.prompts([long])) == 1
    assert again.prompts([long]).mask.shape[1] <= 2 + 3 + 6


def test_bare_items_have_the_features_of_the_catalogue() -> None:
    features = Features({"item:kind": Words(("x", "y"))}, CATALOGUE.item_ids[:2], np.array([[1], [2]], np.int32))
    shape = EncoderDecoderConfig.model_validate(SHAPE)
    generator = build_generator(shape, CATALOGUE, 50, features=features)
    assert generator.prompts([np.array([1, 0, 5])]).features.tolist() == [[[2], [1], [0]]]


@pytest.mark.parametrize(
    ("history_config", "causal", "message"),
    [
        ({"pathways": {}, "compression": {}}, False, "two ways to read a history"),
        ({"compression": {}}, True, "need causal_encoder=false"),
        ({"pathways": {}}, True, "need causal_encoder=false"),
    ],
)
def test_settings_that_exclude_each_other(history_config: dict[str, Any], causal: bool, message: str) -> None:
    with pytest.raises(ValidationError) as error:
        EncoderDecoderConfig.model_validate({"history": history_config, "causal_encoder": causal})
    assert message in "\n".join(explain(error.value, EncoderDecoderConfig, "model"))


def test_groups_that_leave_no_event_as_it_is() -> None:
    shape = LazyDecoderConfig.model_validate({**SHAPE, "history": {"compression": {}}})
    with pytest.raises(ConfigError, match="puts 208 events into groups, but a history has 50"):
        build_generator(shape, CATALOGUE, 50)
