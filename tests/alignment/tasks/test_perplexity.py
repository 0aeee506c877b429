"""Perplexity by hand, and a preview of the rows."""

from __future__ import annotations

import math

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from genrec.models.language import Chat
from genrec_alignment.tasks import Mixture, MixtureConfig, TaskSource, perplexity, preview


@pytest.fixture(scope="module")
def model(chat: Chat) -> LlamaForCausalLM:
    torch.manual_seed(0)
    shape = LlamaConfig(
        vocab_size=len(chat.tokenizer),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        initializer_range=0.5,
    )
    return LlamaForCausalLM(shape)


def test_every_token_counts_the_same(model: LlamaForCausalLM, chat: Chat) -> None:
    texts = ["a short one", "and a text that is quite a bit longer than that"]
    total, count = 0.0, 0
    for text in texts:
        ids = torch.tensor([chat.text(text)])
        loss = model(input_ids=ids, labels=ids).loss.item()
        total, count = total + loss * (ids.shape[1] - 1), count + ids.shape[1] - 1
    assert perplexity(model, chat, texts) == pytest.approx(math.exp(total / count), rel=1e-5)


def test_blocks_are_read_alone(model: LlamaForCausalLM, chat: Chat) -> None:
    ids = torch.tensor(chat.text("abcdefgh"))  # nine tokens with the end
    losses = [model(input_ids=part[None], labels=part[None]).loss.item() * (len(part) - 1) for part in ids.split(5)]
    assert perplexity(model, chat, ["abcdefgh"], length=5) == pytest.approx(math.exp(sum(losses) / 7), rel=1e-5)


def test_a_model_that_knows_nothing_has_the_vocabularys_size(chat: Chat, model: LlamaForCausalLM) -> None:
    flat = LlamaForCausalLM(model.config)
    torch.nn.init.zeros_(flat.lm_head.weight)
    assert perplexity(flat, chat, ["any text"]) == pytest.approx(len(chat.tokenizer), rel=1e-4)


@pytest.mark.parametrize("training", [True, False])
def test_the_mode_of_the_model_stays(model: LlamaForCausalLM, chat: Chat, training: bool) -> None:
    model.train(training)
    perplexity(model, chat, ["some text"])
    assert model.training is training


def test_no_text_is_refused(model: LlamaForCausalLM, chat: Chat) -> None:
    with pytest.raises(ValueError, match="two tokens"):
        perplexity(model, chat, [])


def test_a_preview_marks_what_is_learned(source: TaskSource, chat: Chat) -> None:
    config = MixtureConfig(weights={"title_to_sid": 3, "persona": 1}, rows=8)
    text = preview(Mixture.of(config, source, 0), chat, rows=2)
    assert "── title_to_sid: 6 rows an epoch, 75.0%" in text
    assert text.count("⟦") == text.count("⟧") == 4
    assert "assistant\n⟦<a_" in text
    assert "<|end|>⟧" in text
