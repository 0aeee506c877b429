"""The reward of a step, learnt from preferences between segments by the Bradley-Terry model."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from genrec_alignment.prefrec.network import ItemScores
from genrec_alignment.prefrec.pairs import SegmentPairs
from genrec_alignment.prefrec.steps import Int64


def bradley_terry_loss(better: Tensor, worse: Tensor) -> Tensor:
    """Return −log P(better ≻ worse) of each pair, float [pairs].

    P = exp(Σ r(better)) / (exp(Σ r(better)) + exp(Σ r(worse))), the sums over the steps of a segment; ln 2 where
    they are equal.

    Args:
        better: float [pairs], the summed rewards of the preferred segments.
        worse: float [pairs].
    """
    return -functional.logsigmoid(better - worse)


def segment_sums(reward: ItemScores, states: Tensor, items: Tensor, segments: Int64) -> Tensor:
    """Return the summed rewards of segments, float32 [segments].

    Args:
        reward: r(s, a).
        states: float32 [steps, size], before every step of the log.
        items: int64 [steps].
        segments: int64 [segments, 2], first rows and rows behind the last.
    """
    lengths = segments[:, 1] - segments[:, 0]
    owners = np.repeat(np.arange(len(segments)), lengths)
    rows = np.arange(lengths.sum()) + np.repeat(segments[:, 0] - (lengths.cumsum() - lengths), lengths)
    at = torch.from_numpy(rows)
    rewards = reward(states[at], items[at])
    return rewards.new_zeros(len(segments)).index_add(0, torch.from_numpy(owners), rewards)


def preference_loss(reward: ItemScores, states: Tensor, items: Tensor, pairs: SegmentPairs) -> Tensor:
    """Return the mean loss of pairs, a scalar."""
    sums = segment_sums(reward, states, items, np.concatenate([pairs.better, pairs.worse]))
    return bradley_terry_loss(*sums.chunk(2)).mean()


@torch.no_grad()
def pair_accuracy(reward: ItemScores, states: Tensor, items: Tensor, pairs: SegmentPairs) -> float:
    """Return the share of pairs whose preferred segment has the higher summed reward."""
    better, worse = segment_sums(reward, states, items, np.concatenate([pairs.better, pairs.worse])).chunk(2)
    return float((better > worse).float().mean())
