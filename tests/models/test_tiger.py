"""TIGER's T5: it is transformers' T5, whichever way it is run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import T5Config as WholeConfig
from transformers import T5ForConditionalGeneration
from transformers.cache_utils import DynamicCache

from genrec.models import Generator, HistoryBatch, build_generator
from genrec.models.tiger.config import T5Config
from genrec.models.tiger.model import TigerConfig, TigerModel
from genrec.semantic_ids import Catalogue
from tests.models.tiny_models import SIZES, loss_of, random_histories, random_sessions

SHAPE = T5Config(hidden_size=16, intermediate_size=24, layers=3, heads=2, head_size=5)


def tiny_tiger(dropout: float = 0.0) -> TigerModel:
    """A model whose biases matter, in evaluation mode."""
    torch.manual_seed(0)
    shape = SHAPE.model_dump(mode="json")
    model = TigerModel(TigerConfig(codebook_sizes=list(SIZES), shape=shape, dropout=dropout))
    for weight in model.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    return model.eval()


def without_features(history: HistoryBatch) -> HistoryBatch:
    return HistoryBatch(history.codes, history.rows, history.features[..., :0], history.mask)


@torch.no_grad()
def of_transformers(model: TigerModel, history: HistoryBatch, codes: torch.Tensor) -> torch.Tensor:
    """The logits of each code of items [batch, levels] by transformers' whole T5, [batch, levels, all codes]."""
    whole = T5ForConditionalGeneration(
        WholeConfig(
            vocab_size=1 + sum(SIZES),
            d_model=16,
            d_kv=5,
            d_ff=24,
            num_layers=3,
            num_heads=2,
            decoder_start_token_id=0,
            eos_token_id=None,
            tie_word_embeddings=False,  # else what the decoder gives is scaled
        )
    ).eval()
    whole.encoder.load_state_dict(model.encoder.state_dict(), strict=False)
    whole.decoder.load_state_dict(model.decoder.state_dict(), strict=False)
    whole.lm_head.weight = torch.nn.Parameter(torch.cat([torch.zeros(1, 16), model.head.weight]))
    for table in (whole.shared, whole.encoder.embed_tokens, whole.decoder.embed_tokens):
        table.weight = model.codes.weight
    first = model.codes.first
    tokens = torch.nn.functional.pad((history.codes + first).flatten(1), (1, 0))
    mask = torch.nn.functional.pad(history.mask.repeat_interleave(len(SIZES), dim=1), (1, 0), value=True)
    written = torch.nn.functional.pad((codes + first)[:, :-1], (1, 0))
    return whole(input_ids=tokens, attention_mask=mask, decoder_input_ids=written).logits[..., 1:]


def test_training_and_search_have_the_logits_of_transformers() -> None:
    model, history = tiny_tiger(), without_features(random_histories([4, 0, 2]))
    codes = random_sessions(3, 1, 1)[:, 0, 0]
    expected = of_transformers(model, history, codes)
    written = torch.nn.functional.pad((codes + model.codes.first)[:, :-1], (1, 0))
    memory, cache, at = model.encode(history), DynamicCache(), 0
    with torch.no_grad():
        learned = model.decode_targets(memory, codes[:, None, None], None)[:, 0, 0]
        for level, size in enumerate(SIZES):
            seen = torch.ones(3, 1, level + 1, dtype=torch.bool)
            stepped = model.decode(written[:, level, None], torch.full((3, 1), level), seen, memory, cache)
            right = expected[:, level, at : at + size]
            torch.testing.assert_close(model.logits(learned[:, level], level), right, atol=1e-4, rtol=1e-4)
            torch.testing.assert_close(model.logits(stepped[:, 0], level), right, atol=1e-4, rtol=1e-4)
            at += size


def test_the_order_of_events_matters_and_padding_does_not() -> None:
    model, targets = tiny_tiger(), random_sessions(1, 1, 1)
    history = without_features(random_histories([5]))
    turned = HistoryBatch(*(part.flip(1) for part in (history.codes, history.rows, history.features, history.mask)))
    wide = without_features(random_histories([5], width=8))
    wide.codes[:, :5] = history.codes
    loss, _ = loss_of(model, history, targets)
    assert not torch.allclose(loss, loss_of(model, turned, targets)[0])
    torch.testing.assert_close(loss, loss_of(model, wide, targets)[0])


def test_parts_of_histories_are_refused() -> None:
    history = without_features(random_histories([5]))
    with pytest.raises(ValueError, match="read as a whole"):
        loss_of(tiny_tiger(), history, random_sessions(1, 1, 1), torch.tensor([[3]]))


def test_dropout_works_in_training_alone() -> None:
    model, history, targets = tiny_tiger(0.5), without_features(random_histories([5])), random_sessions(1, 1, 1)
    still = {loss_of(model, history, targets)[0].item() for _ in range(2)}
    model.train()
    moving = {loss_of(model, history, targets)[0].item() for _ in range(3)}
    assert len(still) == 1
    assert len(moving) == 3


def test_it_is_saved_and_loaded(tmp_path: Path) -> None:
    codes = np.array([[0, 1, 2], [1, 1, 0], [4, 3, 5]], dtype=np.int32)
    made = build_generator(SHAPE, Catalogue(["a", "b", "c"], codes, SIZES, ["A", "B", "C"]), 5, dropout=0.3)
    made.save_pretrained(tmp_path)
    again = Generator.from_pretrained(tmp_path, device="cpu")
    assert isinstance(again.model, TigerModel)
    before, after = made.model.state_dict(), again.model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
