"""The rollout-beam reward of OneRec-Think (arXiv:2510.11639): how near the best of a beam comes to the target.

A reward of hits alone is 0 for nearly every group of thoughts, and then nothing is learned from it. Counting codes
tells thoughts apart long before one of them hits.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

Match = Literal["position", "prefix"]
Ints = npt.NDArray[np.integer]


def rollout_beam_reward(beams: Ints, targets: Ints, match: Match = "position") -> npt.NDArray[np.int64]:
    """Return R = max over the beam of Σ_l 1[ŝ^l = s^l] (equation 6), from 0 to the number of levels.

    Args:
        beams: int [..., beams, levels], the codes of every candidate; a row of -1 is no candidate.
        targets: int [..., levels], the codes of the item that came next; may be broadcast over thoughts, as
            ``targets[:, None]``.
        match: ``position`` counts the codes that agree wherever they stand, as the equation is printed; ``prefix``
            counts them up to the first that does not. A deeper code means something below its own prefix only, so
            ``prefix`` is the stricter reading; it is ours.

    Returns:
        int64 [...]; 0 where there is no candidate.
    """
    agree = np.asarray(beams) == np.asarray(targets)[..., None, :]
    if match == "prefix":
        agree = np.logical_and.accumulate(agree, axis=-1)
    return agree.sum(axis=-1, dtype=np.int64).max(axis=-1, initial=0)


def reward_of_items(items: Ints, targets: Ints, codes: Ints, match: Match = "position") -> npt.NDArray[np.int64]:
    """Return the reward of rankings, such as :class:`genrec.decoding.Ranking` holds.

    Args:
        items: int [..., beams], ``item_index``; -1 where a ranking has no more.
        targets: int [...], ``item_index`` of what came next.
        codes: int [items, levels], as of the catalogue.
        match: as for :func:`rollout_beam_reward`.
    """
    beams = np.where(items[..., None] >= 0, codes[items], -1)
    return rollout_beam_reward(beams, codes[targets], match)
