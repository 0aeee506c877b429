"""Average precision of sessions against ranx."""

from __future__ import annotations

import numpy as np
import pytest
from ranx import Qrels, Run, evaluate

from genrec_eval.metrics import session_map, session_ranks


@pytest.mark.filterwarnings("ignore:unsafe cast")  # of numba, within ranx
def test_map_is_ranxs(rng: np.random.Generator) -> None:
    sessions = [np.sort(rng.permutation(12)[: 1 + at % 6]) for at in range(12)]
    lists = np.array([rng.permutation(12)[:8] for _ in sessions])
    qrels = Qrels({f"q{at:02}": {str(item): 1 for item in session} for at, session in enumerate(sessions)})
    places = [{str(item): 8.0 - place for place, item in enumerate(row)} for row in lists]
    run = Run({f"q{at:02}": row for at, row in enumerate(places)})
    found, sizes = session_ranks(lists, sessions), np.array([len(session) for session in sessions])
    for k in (1, 3, 8):
        evaluate(qrels, run, f"map@{k}")
        # ranx divides by all items of the session; we by as many as fit into the list.
        theirs = np.array([run.scores[f"map@{k}"][f"q{at:02}"] for at in range(12)]) * sizes / np.minimum(k, sizes)
        np.testing.assert_allclose(session_map(found, k), theirs)
