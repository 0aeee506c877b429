"""Average precision of sessions against ranx."""

from __future__ import annotations

import numpy as np
import pytest

from genrec_eval.metrics import session_map, session_ranks
from tests.eval.ranx_scores import scores_by_ranx


def test_map_is_ranxs(rng: np.random.Generator) -> None:
    pytest.importorskip("numba")
    sessions = [np.sort(rng.permutation(12)[: 1 + at % 6]) for at in range(12)]
    lists = np.array([rng.permutation(12)[:8] for _ in sessions])
    found, sizes = session_ranks(lists, sessions), np.array([len(session) for session in sessions])
    theirs = scores_by_ranx(lists, sessions, ["map@1", "map@3", "map@8"])
    for k in (1, 3, 8):
        # ranx divides by all items of the session; we by as many as fit into the list.
        np.testing.assert_allclose(session_map(found, k), theirs[f"map@{k}"] * sizes / np.minimum(k, sizes))
