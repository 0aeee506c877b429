"""The teacher's loss: by hand, and that it changes nothing where it is off."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from genrec.models import Generator, build_generator
from genrec.models.contrast import entity_infonce
from genrec.models.histories import HistoryBatch
from genrec.models.onerec.config import LazyDecoderConfig
from genrec.semantic_ids import Catalogue
from genrec_alignment.teacher.alignment import HEAD, TeacherAlignment
from genrec_alignment.teacher.config import TeacherConfig

VECTORS = np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 0], [0, 0, 1]], dtype=np.float32)  # the third user is unknown
OWNERS = np.array([0, 0, 1, 2, 3, 3])


@pytest.fixture
def generator(planted_run: Path) -> Generator:
    torch.manual_seed(0)
    catalogue = Catalogue.load(planted_run / "semantic_ids")
    return build_generator(LazyDecoderConfig(hidden_size=16, heads=2, context_layers=1), catalogue, 6)


def _aligned(generator: Generator, **settings: float) -> TeacherAlignment:
    return TeacherAlignment(generator.model, VECTORS, OWNERS, TeacherConfig(**settings))  # type: ignore[arg-type]


def _read(generator: Generator, histories: list[list[int]]) -> HistoryBatch:
    batch = generator.prompts([np.array(history, dtype=np.int64) for history in histories])
    assert isinstance(batch, HistoryBatch)
    generator.model.encode(batch)
    return batch


def test_whose_histories_the_rows_are(generator: Generator) -> None:
    rows = [np.array([1]), np.array([4, 5]), np.zeros(0, np.int64), np.array([3])]
    assert _aligned(generator).users(rows).tolist() == [0, 3, -1, 2]


def test_the_pooled_history_is_the_mean_over_its_events(generator: Generator) -> None:
    kept: list[torch.Tensor] = []
    generator.model.encoder.register_forward_hook(lambda _m, _a, states: kept.append(states))
    teacher = _aligned(generator)
    _read(generator, [[1, 2, 3], [4]])
    (states,) = kept
    torch.testing.assert_close(teacher._pooled[0], states[0, 1:4].mean(dim=0))
    torch.testing.assert_close(teacher._pooled[1], states[1, 1])  # neither the sink nor padding


def test_unknown_users_take_no_part(generator: Generator) -> None:
    teacher = _aligned(generator, temperature=0.5)
    _read(generator, [[1, 2], [3], [4, 5], [6], []])
    found = teacher.loss(torch.tensor([0, 2, 3, 1, -1]))
    head = getattr(generator.model, HEAD)
    mine = head(teacher._pooled)[[0, 2, 3]]
    wanted = entity_infonce(mine, torch.from_numpy(VECTORS[[0, 3, 1]]), 0.5, torch.tensor([0, 3, 1]))
    torch.testing.assert_close(found, wanted)
    nothing = teacher.loss(torch.tensor([2, 2, -1, -1, 1]))
    assert nothing.item() == 0
    assert nothing.requires_grad


def test_first_alignment_alone_then_both(generator: Generator) -> None:
    teacher = _aligned(generator, alignment_epochs=2, weight=0.25)
    _read(generator, [[1, 2], [4]])
    users, loss = torch.tensor([0, 1]), torch.tensor(10.0, requires_grad=True)
    alignment = teacher.loss(users).item()
    assert teacher.total(loss, users, 1.9, 2).item() == pytest.approx(alignment / 2)
    assert teacher.total(loss, users, 2.0, 2).item() == pytest.approx(10 + 0.25 * alignment / 2)
    assert teacher.figures()["alignment_loss"] == pytest.approx(alignment, abs=1e-4)
    assert teacher.figures()["alignment_loss"] == 0


def test_gradients_reach_what_reads_histories(generator: Generator) -> None:
    teacher = _aligned(generator)
    _read(generator, [[1, 2], [4]])
    teacher.loss(torch.tensor([0, 1])).backward()
    for name in ("encoder.layers.0.attention", "codes", HEAD):
        module = generator.model.get_submodule(name)
        assert any(weight.grad is not None and weight.grad.any() for weight in module.parameters()), name


def test_nothing_is_left_of_it(generator: Generator) -> None:
    before = set(generator.model.state_dict())
    teacher = _aligned(generator)
    assert set(generator.model.state_dict()) == before | {f"{HEAD}.weight", f"{HEAD}.bias"}
    teacher.remove()
    assert set(generator.model.state_dict()) == before
    _read(generator, [[1]])
    assert len(teacher._pooled) == 0, "the hook is gone"
