"""Losses of a round: TRL's and ours, on log-probabilities of every kind of generator, against hand calculations."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from genrec.models import Events
from genrec_alignment.align.batches import NO_PAIR, Collator, Preferences, Schedule
from genrec_alignment.align.config import ONE_BY_ONE, Loss
from genrec_alignment.align.next_tokens import NextTokens
from genrec_alignment.align.policy import PolicyModule
from genrec_alignment.align.preferences import reference_of
from genrec_alignment.align.trainer import RoundTrainer, round_arguments
from genrec_alignment.preference.losses import dpo_loss, softmax_dpo_loss
from genrec_alignment.preference.pairs import Pairs
from tests.alignment.align.conftest import settings
from tests.alignment.preference.test_logprobs import SHAPES, tiny_generator

HISTORIES = [Events(np.array([2, 0, 1])), Events(np.array([], dtype=np.int64)), Events(np.array([5]))]
ROWS = 4


class Nothing(NextTokens):
    """Rows whose next tokens are those of one fixed batch."""

    def __init__(self, batch: dict[str, torch.Tensor]) -> None:
        self.fixed = batch

    def __len__(self) -> int:
        return ROWS

    def batch(self, rows: Any, epoch: int) -> dict[str, torch.Tensor]:
        del rows, epoch
        return self.fixed


def pairs_of(losers: int) -> Pairs:
    """Return three rows; the second has a shorter session, the third one loser less where there are several."""
    chosen = np.array([[0, 1], [2, -1], [4, 5]])
    rejected = np.array([[[6, 7], [8, 1]], [[1, 0], [3, -1]], [[2, 3], [-1, -1]]])[:, :losers]
    real = rejected[:, :, 0] >= 0
    nothing = np.where(real, 0.0, np.nan).astype(np.float32)
    return Pairs(
        np.arange(3), chosen, rejected, np.ones(3, np.float32), nothing, np.zeros(3, np.float32), nothing, {}
    )


def trainer_of(kind: str, folder: Path, shift: float, **changed: object) -> tuple[RoundTrainer, dict[str, Any]]:
    """Return a trainer and the batch of all pairs; the reference of the winners is ``shift`` below the policy."""
    config = settings(batch_size=ROWS, **changed)
    generator = tiny_generator(kind)
    policy = PolicyModule(generator, generator.model)
    pairs = pairs_of(config.pairs.losers)
    reference = reference_of(generator, HISTORIES, pairs)
    reference[:, 0] -= shift
    batch = next_batch(policy)
    collator = Collator(Nothing(batch), Preferences(pairs, HISTORIES, reference), policy)
    rows = Schedule(ROWS, 3, 1, ROWS, 1, 1, 0).dataset()
    arguments = round_arguments(config, 1, 1e-3, 0, folder)
    trainer = RoundTrainer(policy, config, rows, collator, arguments)
    return trainer, collator([{"row": row, "epoch": 0, "pair": row if row < 3 else NO_PAIR} for row in range(ROWS)])


def next_batch(policy: PolicyModule) -> dict[str, torch.Tensor]:
    """Return a batch of which the model gives a loss."""
    inputs = policy.inputs(HISTORIES[:1], np.array([[[3]]]))
    if "prompts" in inputs:
        ids = torch.tensor([[*inputs["prompts"][0], *inputs["codes"].ravel().tolist()]])  # type: ignore[index, attr-defined]
        return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": ids.clone()}
    history = {f"history_{name}": value for name, value in inputs["history"].items()}  # type: ignore[attr-defined]
    return history | {"target_codes": inputs["codes"]}  # type: ignore[dict-item]


def preference_part(trainer: RoundTrainer, inputs: dict[str, Any]) -> float:
    """Return the mean loss of the preference rows alone."""
    model = trainer.model
    assert model is not None
    model.train()
    with torch.no_grad():
        whole = trainer.compute_loss(model, inputs)
        next_tokens = trainer.compute_loss(model, {"ntp": inputs["ntp"]})
    return float(whole - next_tokens) / trainer.align.dpo_weight * ROWS / 3


@pytest.mark.parametrize("kind", SHAPES)
def test_dpo_is_ln_2_at_the_reference_and_falls_by_hand(kind: str, tmp_path: Path) -> None:
    at_reference = preference_part(*trainer_of(kind, tmp_path, 0.0, dpo_weight=2.0))
    assert at_reference == pytest.approx(np.log(2), abs=1e-4)
    ahead = preference_part(*trainer_of(kind, tmp_path, 1.5))
    assert ahead == pytest.approx(np.log1p(np.exp(-0.5 * 1.5)), abs=1e-4)


def test_trl_and_our_own_agree(tmp_path: Path) -> None:
    trainer, inputs = trainer_of("decoder", tmp_path, 0.7)
    policy = torch.tensor([[-1.0, -2.0], [-3.0, -1.0], [-2.0, -2.5]])
    reference = inputs["reference"]
    found = trainer._trl_loss(policy, reference, inputs["codes"])
    torch.testing.assert_close(found, dpo_loss(policy, reference, 0.5).mean())
    logged = trainer._metrics["train"]
    assert logged["rewards/margins"] == [pytest.approx(float((policy - reference).diff()[:, 0].mean()) * -0.5)]
    assert "entropy" not in logged


def test_ipo_divides_by_the_codes_of_each_candidate(tmp_path: Path) -> None:
    trainer, inputs = trainer_of("lazy_decoder", tmp_path, 0.0, loss="ipo")
    policy, reference = torch.tensor([[-1.0, -2.0]] * 3), torch.zeros(3, 2)
    codes = np.array([[6, 6], [3, 6], [6, 6]])  # items times levels; the second winner is one item
    apart = (policy.numpy() / codes) @ [1, -1]
    expected = ((apart - 1 / (2 * 0.5)) ** 2).mean()
    assert float(trainer._trl_loss(policy, reference, inputs["codes"][:, :, :, :3])) == pytest.approx(
        expected, rel=1e-5
    )


def test_several_losers_at_once(tmp_path: Path) -> None:
    changed = {"loss": "softmax_dpo", "pairs": {"losers": 2}}
    trainer, inputs = trainer_of("decoder", tmp_path, 0.0, **changed)
    assert preference_part(trainer, inputs) == pytest.approx((2 * np.log(3) + np.log(2)) / 3, abs=1e-4)
    policy = torch.tensor([[-1.0, -2.0, -0.5], [-3.0, -1.0, 0.0], [-2.0, -2.5, 9.0]])
    found = trainer._preference_loss(policy, inputs)
    torch.testing.assert_close(found, softmax_dpo_loss(policy, inputs["reference"], 0.5, inputs["real"]).mean())
    assert not inputs["real"][2, 2]


@pytest.mark.parametrize("loss", get_args(Loss))
def test_a_constant_of_a_history_matters_to_those_losses_alone_that_say_so(loss: str, tmp_path: Path) -> None:
    """An item head's scores have one; see ``ONE_BY_ONE``."""
    smoothing = 0.1 if loss in ("robust", "exo_pair") else 0.0
    trainer, inputs = trainer_of("lazy_decoder", tmp_path, 0.7, loss=loss, label_smoothing=smoothing)
    inputs["codes"] = inputs["codes"][:, :, :1]  # items, as long as each other
    policy = torch.tensor([[-1.0, -2.0], [-3.0, -1.0], [-2.0, -2.5]])
    found = trainer._preference_loss(policy, inputs)
    moved = trainer._preference_loss(policy + torch.tensor([[3.0], [-1.0], [0.5]]), inputs)
    assert (float(found) == pytest.approx(float(moved), abs=1e-5)) == (loss not in ONE_BY_ONE)


@given(
    pairs=st.integers(0, 60),
    steps=st.integers(1, 7),
    size=st.integers(1, 5),
    processes=st.integers(1, 3),
    rows=st.integers(1, 40),
)
def test_every_process_has_as_many_pairs_in_a_step(
    pairs: int, steps: int, size: int, processes: int, rows: int
) -> None:
    table = Schedule(rows, pairs, steps, size, processes, 2, 0).dataset()
    dealt = np.array(table["pair"]).reshape(steps, processes, size)
    counts = (dealt != NO_PAIR).sum(axis=2)
    assert (counts == counts[:, :1]).all()
    assert counts[:, 0].max() - counts[:, 0].min() <= 1
    used = dealt[dealt != NO_PAIR]
    assert len(set(used.tolist())) == len(used) == processes * min(pairs // processes, steps * size)
    assert sorted(table["row"][: min(rows, len(table))]) == sorted(range(rows))[: len(table)] or len(table) < rows
    assert len(set(np.array(table["epoch"]).reshape(-1, size)[:, 0])) == len(
        {tuple(set(e)) for e in np.array(table["epoch"]).reshape(-1, size)}
    )
