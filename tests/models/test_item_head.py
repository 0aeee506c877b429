"""The item head: what it learns, what it costs in pieces, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import nn

from genrec.errors import ConfigError
from genrec.models import Generator, HistoryBatch, build_generator
from genrec.models.onerec import item_head
from genrec.models.onerec.base import OneRecBase
from genrec.models.onerec.config import EncoderDecoderConfig, LazyDecoderConfig
from genrec.models.onerec.item_head import ItemHead
from genrec.semantic_ids import Catalogue

CODES = np.array([[0, 1], [0, 2], [1, 0], [2, 2], [2, 1]], dtype=np.int32)
NAMES = [f"item {at}" for at in range(5)]
SHAPE = {"hidden_size": 16, "intermediate_size": 24, "heads": 2, "item_head": True}


def generator(kind: str = "encoder_decoder") -> Generator:
    """An untrained generator with an item head over five items."""
    torch.manual_seed(0)
    config = EncoderDecoderConfig(**SHAPE) if kind == "encoder_decoder" else LazyDecoderConfig(**SHAPE)
    return build_generator(config, Catalogue(NAMES, CODES, (3, 3), NAMES), 4)


def model_of(made: Generator) -> tuple[OneRecBase, ItemHead, nn.Embedding]:
    """The model, its head, and its table of items."""
    model = made.model.eval()
    assert isinstance(model, OneRecBase)
    assert model.items is not None
    assert model.events.items is not None
    return model, model.items, model.events.items


def read(made: Generator, histories: list[list[int]]) -> HistoryBatch:
    """Histories of items as the model reads them."""
    prompts = made.prompts([np.array(items, dtype=np.int64) for items in histories])
    assert isinstance(prompts, HistoryBatch)
    return prompts


def loss(made: Generator, items: list[int], smoothing: float = 0.0) -> tuple[float, float]:
    """The whole loss of one target after each of some histories, and the head's part of it."""
    model, _, _ = model_of(made)
    history = read(made, [[0, 1], [2], []][: len(items)])
    codes = torch.from_numpy(CODES[items].astype(np.int64))[:, None, None]
    rows = torch.tensor(items)[:, None, None] + 1
    out = model(history.codes, history.rows, history.features, history.mask, codes, None, rows, smoothing)
    return float(out.loss.detach()), float(out.item_loss)


@pytest.mark.parametrize("kind", ["encoder_decoder", "lazy_decoder"])
def test_its_loss_is_the_cross_entropy_over_all_items(kind: str) -> None:
    made = generator(kind)
    (model, head, own), items = model_of(made), [3, 0]
    total, part = loss(made, items)
    history = read(made, [[0, 1], [2]])
    targets = torch.from_numpy(CODES[items].astype(np.int64))[:, None, None]
    encoded = model.encode(history).states
    states = torch.stack([encoded[0, 2], encoded[1, 1]])  # the sink stands before two events, and before one
    table = torch.stack([model.codes.weight[1 + a] + model.codes.weight[4 + b] for a, b in CODES.tolist()])
    scores = states @ head.query.weight.T @ (table + own.weight[1:]).T
    by_hand = float(-scores.detach().log_softmax(-1)[[0, 1], items].mean())
    assert part == pytest.approx(by_hand, abs=1e-5)
    without = model(history.codes, history.rows, history.features, history.mask, targets)
    assert without.item_loss is None
    assert total == pytest.approx(float(without.loss.detach()) + by_hand, abs=1e-5)


def test_each_task_is_scored_after_what_it_may_see() -> None:
    """Tasks of one pass, each with its own part of a history, learn what as many passes would."""
    torch.manual_seed(1)
    config = EncoderDecoderConfig(**SHAPE, causal_encoder=True)
    made = build_generator(config, Catalogue(NAMES, CODES, (3, 3), NAMES), 4)
    model, whole = model_of(made)[0], read(made, [[0, 1, 2]])
    targets = torch.from_numpy(CODES[[1, 3]].astype(np.int64))[None, :, None]
    parts = (whole.codes, whole.rows, whole.features, whole.mask)
    together = model(*parts, targets, torch.tensor([[1, 3]]), torch.tensor([[[2], [4]]])).item_loss
    apart = []
    for seen, item in (([0], 1), ([0, 1, 2], 3)):
        one = read(made, [seen])
        codes = torch.from_numpy(CODES[[item]].astype(np.int64))[None, :, None]
        rows = torch.tensor([[[item + 1]]])
        apart.append(float(model(one.codes, one.rows, one.features, one.mask, codes, None, rows).item_loss))
    assert float(together) == pytest.approx(np.mean(apart), abs=1e-5)


def test_in_pieces_it_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    made = generator()
    model, head, own = model_of(made)
    whole, gradients = loss(made, [3, 0, 4], 0.1), []
    for at_once in (1 << 26, 10):  # 10 scores at once: two states of five items
        monkeypatch.setattr(item_head, "_LOGITS_AT_ONCE", at_once)
        model.zero_grad()
        vectors = model.item_vectors()
        states = torch.randn((3, 16), generator=torch.Generator().manual_seed(1))
        head.loss(states, vectors, torch.tensor([3, 0, 4]), 0.1).backward()
        assert own.weight.grad is not None
        gradients.append(own.weight.grad.clone())
    assert loss(made, [3, 0, 4], 0.1) == pytest.approx(whole)
    torch.testing.assert_close(*gradients)


def test_a_loaded_model_has_the_items_ids(tmp_path: Path) -> None:
    made = generator()
    made.save_pretrained(tmp_path)
    loaded = Generator.from_pretrained(tmp_path, "cpu")
    assert model_of(loaded)[1].codes.tolist() == CODES.tolist()
    assert loss(loaded, [3, 0]) == pytest.approx(loss(made, [3, 0]))


def test_padding_teaches_nothing() -> None:
    made = generator()
    model, history = model_of(made)[0], read(made, [[0, 1], [2]])
    parts = (history.codes, history.rows, history.features, history.mask)
    codes = torch.tensor([[[[0, 1]]], [[[-100, -100]]]])
    alone = model(*(part[:1] for part in parts), codes[:1], None, torch.tensor([[[1]]]))
    both = model(*parts, codes, None, torch.tensor([[[1]], [[-100]]]))
    torch.testing.assert_close(both.loss, alone.loss)


def test_it_needs_the_items_vectors() -> None:
    with pytest.raises(ValidationError, match=r"item_head needs history\.item_embeddings"):
        EncoderDecoderConfig(**SHAPE, history={"item_embeddings": False})


def test_it_does_not_score_sessions() -> None:
    catalogue = Catalogue(NAMES, CODES, (3, 3), NAMES)
    with pytest.raises(ConfigError, match="scores single items"):
        build_generator(EncoderDecoderConfig(**SHAPE), catalogue, 4, session_length=3)


def test_it_knows_its_items_by_their_ids_and_no_others() -> None:
    _, head, _ = model_of(generator())
    wanted = torch.tensor([[4, 0], [2, 3]])
    assert torch.equal(head.rows_of(head.codes[wanted]), wanted)
    for other in ([[1, 1]], [[0, 1], [2, 9]]):  # between known ones, and beyond all of them
        with pytest.raises(ValueError, match="knows the items of its training"):
            head.rows_of(torch.tensor(other))
