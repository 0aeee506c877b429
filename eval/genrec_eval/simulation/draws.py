"""Random numbers that belong to a user's moment, whoever else is simulated beside them.

A generator that is drawn from in turn would give a user other numbers as soon as one more user is there. These are
a hash of seed and place instead, so that a user's luck is the same under two systems and in any company.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from genrec_eval.simulation.arrays import Floats

_Words = npt.NDArray[np.uint64]
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def uniform(seed: int, purpose: int, *keys: npt.ArrayLike) -> Floats:
    """Return numbers in [0, 1), a function of seed, purpose and keys alone.

    Args:
        seed: of the simulation.
        purpose: what is drawn, so that two things drawn at one moment differ.
        keys: integers that broadcast to each other, such as the user, the visit and the place in it.
    """
    state = _mix(np.asarray([seed], dtype=np.uint64) * _GOLDEN + np.uint64(purpose))
    for key in keys:
        state = _mix(state ^ (np.asarray(key).astype(np.uint64) + _GOLDEN))
    return (state >> np.uint64(11)).astype(np.float64) * 2.0**-53


def shares(names: Sequence[str], salt: str) -> Floats:
    """Return a number in [0, 1) for every name: the first 8 bytes of the SHA-256 of salt and name.

    It is the same on every machine, so the same users fall into the same arm.
    """
    digests = (hashlib.sha256(f"{salt}:{name}".encode()).digest()[:8] for name in names)
    return np.array([int.from_bytes(digest, "big") * 2.0**-64 for digest in digests])


def _mix(state: _Words) -> _Words:
    """Return the output function of SplitMix64 (Steele, Lea and Flood, 2014); overflow is its purpose."""
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))
