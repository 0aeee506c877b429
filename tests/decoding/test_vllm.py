"""Stock vLLM beam search with the trie's logits processor gives the tree search's lists."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from transformers import Qwen3Config, Qwen3ForCausalLM

from genrec.models import Generator
from genrec.models.language import Chat, LanguageParts, add_sid_tokens, continuation_prompt
from genrec.semantic_ids import Catalogue
from tests.decoding.worlds import random_codes
from tests.models.language.tiny import tiny_model, tiny_tokenizer

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="there is no vLLM here"),
]

SIZES = (12, 12, 4)


def of_items_only(catalogue: Catalogue) -> Generator:
    """A random model of Qwen3's shape whose only words are SID tokens."""
    config = Qwen3Config(
        vocab_size=64,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=32,
        max_position_embeddings=64,
        initializer_range=0.3,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
    )
    return Generator(Qwen3ForCausalLM(config).eval(), catalogue, 20)


def of_words(catalogue: Catalogue) -> Generator:
    """A random language model of Llama's shape whose SID tokens come after its words."""
    tokenizer = tiny_tokenizer()
    model = tiny_model(len(tokenizer), head_dim=32)
    vocabulary = add_sid_tokens(model, tokenizer, catalogue, "noise", [], 0)
    parts = LanguageParts(tokenizer, vocabulary, continuation_prompt(Chat(tokenizer), vocabulary))
    return Generator(model, catalogue, 20, language=parts)


@pytest.fixture(params=[of_items_only, of_words])
def generator(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A saved generator of 150 items."""
    codes = random_codes(SIZES, 150, np.random.default_rng(0))
    names = [f"item {index}" for index in range(150)]
    request.param(Catalogue(names, codes, SIZES, names)).save_pretrained(tmp_path)
    return tmp_path


def test_vllm_finds_what_the_tree_search_finds(generator: Path, root: Path) -> None:
    program = Path(__file__).with_name("vllm_program.py")
    done = subprocess.run(
        [sys.executable, program, generator],
        capture_output=True,
        text=True,
        timeout=280,
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    report = json.loads(done.stdout.splitlines()[-1])
    legal = set(map(tuple, Generator.from_pretrained(generator).tokens.tolist()))
    sampled = np.asarray(report.pop("sampled")).reshape(-1, 3)
    assert len(sampled) == 3 * 8 * 2  # prompts, samples, and two items in each
    assert {tuple(row) for row in sampled.tolist()} <= legal
    for beams, found in report.items():
        items, scores = map(np.asarray, found["vllm"])
        wanted_items, wanted_scores = map(np.asarray, found["tree"])
        assert items.shape == (3, int(beams))
        assert (items >= 0).all()
        np.testing.assert_array_equal(items, wanted_items)
        np.testing.assert_allclose(scores, wanted_scores, rtol=0, atol=1e-3)
