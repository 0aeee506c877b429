"""All engines give the same items, in the same order, with the same scores, and nothing but items.

vLLM is the real one, on a CPU, in a process of its own.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import Qwen3Config, Qwen3ForCausalLM

from genrec.models import Generator
from tests.decoding.vllm_program import PROMPTS, SESSION, WIDE, WIDTH, WORLDS, catalogue_of, requests
from tests.decoding.worlds import NEAR

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.slow,
    pytest.mark.timeout(600),  # a minute, but a busy machine's vLLM takes its time to start
    pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="there is no vLLM here"),
]

CONFIG = Qwen3Config(
    vocab_size=96,
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
Found = dict[str, dict[str, np.ndarray]]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Found:
    """What every engine found, and vLLM by itself."""
    folder, root = tmp_path_factory.mktemp("engines"), Path(__file__).resolve().parents[2]
    torch.manual_seed(0)
    model = Qwen3ForCausalLM(CONFIG).eval()
    model.generation_config.repetition_penalty = 2.0  # as a base model may have it: no engine may heed it
    Generator(model, catalogue_of("three"), 8).save_pretrained(folder)
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("vllm_program.py"), folder],
        capture_output=True,
        text=True,
        timeout=580,
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return {name: dict(np.load(folder / f"{name}.npz")) for name in ("tree", "vllm", "hf", "stock")}


def assert_same(items: np.ndarray, scores: np.ndarray, wanted_items: np.ndarray, wanted: np.ndarray) -> None:
    """Check that lists are equal; items whose scores are as good as equal may have changed places."""
    np.testing.assert_allclose(scores, wanted, rtol=0, atol=1e-3)
    gap = np.abs(np.diff(wanted, axis=1, append=-1e9, prepend=1e9))
    tied = np.minimum(gap[:, 1:], gap[:, :-1]) < NEAR
    tied[:, -1] = True  # its rival may be the first that is left out
    same = (items == wanted_items).all(axis=-1)
    assert (same | tied).all()
    assert same.mean() > 0.99


@pytest.mark.parametrize("kind", ["lists", "excluded", "sessions", "version"])
@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("engine", ["tree", "vllm"])
def test_an_engine_finds_what_generate_finds(found: Found, engine: str, world: str, kind: str) -> None:
    one, oracle = found[engine], found["hf"]
    key = f"{world}_{kind}"
    wanted = oracle[f"{key}_items"], oracle[f"{key}_scores"]
    assert_same(one[f"{key}_items"], one[f"{key}_scores"], *wanted)
    same = one[f"{key}_items"] == wanted[0]
    each, wanted_each = one[f"{key}_item_scores"], oracle[f"{key}_item_scores"]
    np.testing.assert_allclose(each[same], wanted_each[same], rtol=0, atol=1e-3)


@pytest.mark.parametrize("engine", ["tree", "vllm", "hf"])
def test_no_engine_ever_gives_what_it_must_not(found: Found, engine: str) -> None:
    beams = 0
    for world, (_, count) in WORLDS.items():
        exclude = requests(catalogue_of(world))[1]
        lists = found[engine][f"{world}_lists_items"][..., 0]
        assert lists.shape == (PROMPTS, WIDE)
        assert lists.min() >= 0
        assert lists.max() < count
        assert all(len(np.unique(row)) == WIDE for row in lists)
        beams += lists.size
        sessions = found[engine][f"{world}_sessions_items"]
        assert sessions.shape == (4, WIDTH, SESSION)
        assert all(len(set(one)) == SESSION for row in sessions.tolist() for one in row)
        for kind in ("excluded", "sessions"):
            given = found[engine][f"{world}_{kind}_items"]
            assert given.min() >= 0
            assert not any(np.isin(row, left_out).any() for row, left_out in zip(given, exclude, strict=False))
    assert beams >= 10_000


def test_what_vllm_writes_by_itself_are_items(found: Found) -> None:
    stock, tree = found["stock"], found["tree"]
    wanted = tree["three_lists_items"][:4, :16], tree["three_lists_scores"][:4, :16]
    assert_same(stock["items"][..., None], stock["scores"], *wanted)
    catalogue = catalogue_of("three")
    legal = set(map(tuple, catalogue.vocabulary.encode(catalogue.codes).tolist()))
    assert len(stock["tokens"]) >= 10_000
    assert set(map(tuple, stock["tokens"].tolist())) <= legal
