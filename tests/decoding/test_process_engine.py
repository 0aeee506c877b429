"""An engine in a process of its own: the same answers, the same errors, and another process where one has died."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from genrec.decoding import Recommender
from genrec.decoding.engines.process import EngineLostError, ProcessEngine, leave_a_core, packed, unpacked
from genrec.errors import ArtifactError
from genrec.models import DecoderConfig, Events, Generator, build_generator
from genrec.models.histories import batch_histories
from genrec.models.onerec.config import EncoderDecoderConfig
from genrec.semantic_ids import Catalogue
from tests.decoding.worlds import random_codes

SIZES, ITEMS = (4, 3, 5), 40


def save_generator(folder: Path, config: DecoderConfig | EncoderDecoderConfig) -> Generator:
    names = [f"i{item}" for item in range(ITEMS)]
    catalogue = Catalogue(names, random_codes(SIZES, ITEMS, np.random.default_rng(0)), SIZES, names)
    generator = build_generator(config, catalogue, 6, session_length=2)
    generator.save_pretrained(folder)
    return generator


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("decoder")
    save_generator(path, DecoderConfig(hidden_size=16, intermediate_size=32, layers=1))
    return path


@pytest.fixture(scope="module")
def apart(folder: Path) -> Iterator[Recommender]:
    recommender = Recommender.from_pretrained(folder, apart=True)
    yield recommender
    recommender.engine.close()


HISTORIES = [np.array([1, 2, 3]), np.array([], dtype=int), np.array([7])]


def test_it_answers_as_the_engine_in_this_process_does(apart: Recommender, folder: Path) -> None:
    here = Recommender.from_pretrained(folder)
    assert {str(weights.device) for weights in apart.generator.model.parameters()} == {"meta"}
    exclude = [np.array([4, 5]), np.array([], dtype=int), np.arange(30)]
    found, expected = (each.recommend(HISTORIES, 12, 20, exclude) for each in (apart, here))
    np.testing.assert_array_equal(found.items, expected.items)
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-5)
    sessions, wanted = (each.sessions(HISTORIES, 2, 3, 20) for each in (apart, here))
    np.testing.assert_array_equal(sessions.items, wanted.items)


def test_histories_of_events_go_there_too(tmp_path: Path) -> None:
    save_generator(tmp_path, EncoderDecoderConfig(hidden_size=16, intermediate_size=32, heads=2, encoder_layers=1))
    here, there = Recommender.from_pretrained(tmp_path), Recommender.from_pretrained(tmp_path, apart=True)
    try:
        found, expected = (each.recommend(HISTORIES, 5, 20).items for each in (there, here))
        np.testing.assert_array_equal(found, expected)
    finally:
        there.engine.close()


def test_errors_come_back_as_they_were(apart: Recommender) -> None:
    with pytest.raises(ValueError, match="exclude"):
        apart.recommend(HISTORIES, exclude=[np.array([ITEMS + 5])] * 3)
    assert apart.recommend(HISTORIES, 1).items.shape == (3, 1)


def test_a_version_that_nobody_holds_is_forgotten_there(apart: Recommender) -> None:
    engine, first = apart.engine, apart.recommend(HISTORIES, 5).items
    assert isinstance(engine, ProcessEngine)
    before = len(engine._searches)
    pinned, catalogue = apart.pinned(), apart.catalogue
    pinned.use(catalogue)
    assert len(engine._searches) == before + 1
    np.testing.assert_array_equal(pinned.recommend(HISTORIES, 5).items, first)
    del pinned
    gc.collect()
    np.testing.assert_array_equal(apart.recommend(HISTORIES, 5).items, first)
    assert len(engine._searches) == before


def test_where_the_process_dies_another_takes_its_place(apart: Recommender) -> None:
    engine, first = apart.engine, apart.recommend(HISTORIES, 5).items
    assert isinstance(engine, ProcessEngine)
    killed = engine._process
    killed.kill()
    killed.join()
    np.testing.assert_array_equal(apart.recommend(HISTORIES, 5).items, first)
    assert engine._process.pid != killed.pid


def test_a_generator_that_cannot_be_run_is_refused_as_elsewhere(tmp_path: Path) -> None:
    save_generator(tmp_path, EncoderDecoderConfig(hidden_size=16, intermediate_size=32, heads=2, encoder_layers=1))
    with pytest.raises(ArtifactError, match="runs decoder-only") as refused:
        ProcessEngine("hf", tmp_path)
    assert "tree" in refused.value.remedy


def test_a_request_that_ends_every_process_is_told(apart: Recommender, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = apart.engine
    assert isinstance(engine, ProcessEngine)

    def lost(*_: object) -> None:
        raise EOFError

    with monkeypatch.context() as patched:
        patched.setattr(engine, "_asked", lost)
        patched.setattr(engine, "_start", lambda: None)
        with pytest.raises(EngineLostError, match="ended twice"):
            engine.ask("items", 0)


def test_prompts_of_every_form_arrive_as_they_were() -> None:
    padded = torch.tensor([[0, 5], [6, 7]]), torch.tensor([[0, 1], [1, 1]])
    again = unpacked(packed(padded))
    assert isinstance(again, tuple)
    assert torch.equal(torch.stack(again), torch.stack(padded))
    batch = batch_histories([Events(np.array([1, 2]))], np.arange(9).reshape(3, 3), np.arange(3), 0)
    back = unpacked(packed(batch))
    assert all(torch.equal(getattr(back, name), tensor) for name, tensor in vars(batch).items())
    assert unpacked(packed([(1, 2), (3,)])) == [[1, 2], [3]]


@pytest.mark.parametrize(("asked", "threads", "left"), [(None, 4, 3), (None, 1, 1), ("4", 4, 4)])
def test_it_leaves_a_core_to_whoever_asks(
    asked: str | None, threads: int, left: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if asked:
        monkeypatch.setenv("OMP_NUM_THREADS", asked)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        leave_a_core()
        assert torch.get_num_threads() == left
    finally:
        torch.set_num_threads(before)
