"""ranx, asked in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence

import numpy as np

# Of its own, because ranx compiles its metrics with numba for most of a minute unless told not to, and because its
# source warns when Python first compiles it, which ends a process whose warnings are errors.
_PROGRAM = """
import json, sys, ranx
lists, relevant, names = json.load(sys.stdin)
qrels = ranx.Qrels({f"q{q:05}": {f"i{item}": 1 for item in items} for q, items in enumerate(relevant)})
run = ranx.Run({f"q{q:05}": {f"i{item}": 1 / (p + 1) for p, item in enumerate(row)} for q, row in enumerate(lists)})
ranx.evaluate(qrels, run, names)
print(json.dumps({name: [run.scores[name][query] for query in sorted(run.scores[name])] for name in names}))
"""


def scores_by_ranx(
    lists: np.ndarray, relevant: Sequence[np.ndarray] | np.ndarray, names: Sequence[str]
) -> dict[str, np.ndarray]:
    """Return each metric's value for each list, in the lists' order."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _PROGRAM],
        input=json.dumps([lists.tolist(), [items.tolist() for items in relevant], list(names)]),
        env=os.environ | {"NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    return {name: np.array(values) for name, values in json.loads(done.stdout.splitlines()[-1]).items()}
