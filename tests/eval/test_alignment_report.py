"""The part of the report about an alignment."""

from __future__ import annotations

import json
from pathlib import Path

from genrec.runs import new_artifact
from genrec_eval.report import write_report

FIGURES = {
    "model_mean": 0.31, "judge_mean": 0.29, "recall": 0.2, "ndcg": 0.1123, "kl": 0.0, "length": 1.0,
    "best_model": 0.7777, "best_judge": 0.6, "best_ndcg": 0.05,
}  # fmt: skip
ROUNDS = [
    {"round": 0, "accepted": True, "reasons": [], "figures": FIGURES, "training": {}, "seconds": 1.0},
    {"round": 1, "accepted": False, "reasons": ["the judge <b>frowns</b>"], "figures": FIGURES | {"ndcg": 0.0987},
     "training": {"pairs": 4321}, "seconds": 2.0},
    {"round": 2, "accepted": True, "reasons": [], "figures": FIGURES, "training": {"pairs": 5}, "seconds": 2.0},
]  # fmt: skip


def test_rounds_and_verdicts_are_shown(tmp_path: Path) -> None:
    with new_artifact(tmp_path / "align", "align", {}) as draft:
        (draft.path / "results.json").write_text(json.dumps({"rounds": ROUNDS}), encoding="utf-8")
    page = write_report(tmp_path).read_text(encoding="utf-8")
    part = page.partition("<h2>Alignment</h2>")[2].partition("</section>")[0]
    for shown in ("before", "0.0987", "4,321", "rolled back: the judge &lt;b&gt;frowns", "0.7777", "kept"):
        assert shown in part
    assert part.count("<figure>") == 4
    assert "undone" in part


def test_a_run_without_one_says_nothing(tmp_path: Path) -> None:
    with new_artifact(tmp_path / "generator", "generator", {}):
        pass
    assert "Alignment" not in write_report(tmp_path).read_text(encoding="utf-8")
