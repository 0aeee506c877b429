"""Candidates: another engine, in a process of its own, proposes what the tree search does."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from genrec.data import Dataset
from genrec.models import DecoderConfig, Generator, build_generator
from genrec_alignment.align.asking import Asking, Log
from genrec_alignment.align.requests import moments
from tests.alignment.align.conftest import settings

_VLLM = pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vLLM is not installed")


@pytest.mark.slow
@pytest.mark.timeout(600)  # a busy machine's vLLM takes its time to start
@pytest.mark.parametrize("engine", ["hf", pytest.param("vllm", marks=_VLLM)])
def test_candidates_are_the_same_from_every_engine(engine: str, finished_run: Path, tmp_path: Path) -> None:
    dataset = Dataset.load(finished_run / "dataset")
    catalogue = Generator.from_pretrained(finished_run / "generator").catalogue
    torch.manual_seed(0)
    policy = build_generator(DecoderConfig(layers=1), catalogue, 12)  # vLLM wants heads of 32 at least
    requests = moments(dataset, np.array([3, 7]), 1)[range(5)]

    def worth(_: object, items: np.ndarray) -> np.ndarray:
        return items[..., 0].astype(np.float32)

    def proposed(engine: str) -> tuple[np.ndarray, np.ndarray]:
        asking = Asking(settings(engine=engine), Log(dataset, policy))
        found = asking.candidates(
            policy, requests, lambda _, items: items[..., 0].astype(np.float32), tmp_path / engine
        )
        return np.sort(found.items[..., 0]), found.rewards

    (items, rewards), (others, theirs) = proposed("tree"), proposed(engine)
    np.testing.assert_array_equal(items, others)
    np.testing.assert_array_equal(np.sort(rewards), np.sort(theirs))


def test_an_unknown_engine_is_told() -> None:
    with pytest.raises(ValidationError, match="Did you mean 'vllm'"):
        settings(engine="vlm")
