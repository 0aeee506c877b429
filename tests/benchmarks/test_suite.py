"""The benchmark suite: every job is an evaluation by a protocol, the page says what is reduced and published."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

import pytest
import yaml

from genrec.cli.common import section_kinds
from genrec.config import load_settings
from genrec_eval.config import BaselineName

ROOT = Path(__file__).resolve().parents[2]
COSTS = {"minutes": 2.0, "parameters": None, "tokens_per_second": None, "peak_mib": 700}


@pytest.fixture
def suite(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return importlib.import_module("suite")


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    for name in ("Beauty", "Sports"):
        (tmp_path / f"{name}.seq.txt").write_text("u a b c\n")
        (tmp_path / f"{name}.items.tsv").write_text("item_id\ttitle\n")
    return tmp_path


def _row(suite: ModuleType, data: str, model: str, seed: int, ndcg: float) -> dict[str, Any]:
    return {"data": data, "model": model, "seed": seed} | dict.fromkeys(suite.FIGURES, ndcg) | COSTS


@pytest.mark.parametrize("words", [["--small"], []])
def test_every_job_is_a_valid_evaluation_by_its_protocol(suite: ModuleType, logs: Path, words: list[str]) -> None:
    options = suite._options([*words, "--data-folder", str(logs), "--folder", str(logs / "runs")])
    jobs = list(suite._jobs(options))
    for job in jobs:
        (logs / "settings.yaml").write_text(yaml.safe_dump(job.sections))
        settings = load_settings(section_kinds(), logs / "settings.yaml")
        assert settings.section("evaluate", suite.EvaluateConfig).protocol == f"tiger-{job.key['data']}"
    assert len({job.run for job in jobs}) == len(jobs)
    assert {job.key["data"] for job in jobs} == {"beauty", "sports"}
    models = {job.key["model"] for job in jobs}
    if words:
        assert models == {*suite.QUICK, "sasrec", "encoder_decoder"}
        assert all(job.sections["train"]["epochs"] == 4 for job in jobs if "train" in job.sections)
    else:
        assert models == {*get_args(BaselineName), *suite.MODELS}


def test_only_what_is_drawn_is_run_with_several_seeds(suite: ModuleType, logs: Path) -> None:
    words = ["--data-folder", str(logs), "--data", "beauty", "--baseline", "ease", "bpr_mf", "--model", "decoder"]
    jobs = suite._jobs(suite._options(words))
    seeds = [(job.key["model"], job.key["seed"]) for job in jobs]
    assert sorted(seeds) == [
        ("bpr_mf", 0),
        ("bpr_mf", 1),
        ("bpr_mf", 2),
        *(("decoder", s) for s in range(3)),
        ("ease", 0),
    ]


def test_missing_data_is_named_with_the_remedy(suite: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"Beauty\.seq\.txt is not there.*--data-folder"):
        next(suite._jobs(suite._options(["--small", "--data-folder", str(tmp_path)])))


def test_the_page_stands_after_every_row(
    suite: ModuleType, logs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = logs / "runs"

    def make(job: Any, _figures: object) -> dict[str, Any]:
        if job.key["model"] == "item_knn":
            raise SystemExit("cut off")
        return _row(suite, **job.key, ndcg=0.25)

    monkeypatch.setattr("experiments.make_row", make)
    words = ["suite", "--small", "--data-folder", str(logs), "--folder", str(folder)]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit, match="cut off"):
        suite.main()
    page = (folder / "table.md").read_text()
    assert "| popularity | 0.2500 |" in page
    assert [row["model"] for row in json.loads((folder / "rows.json").read_text())] == ["popularity"]
    monkeypatch.setattr(sys, "argv", [*words, "--table"])
    suite.main()
    assert page in capsys.readouterr().out


def test_a_page_is_ordered_and_warns(suite: ModuleType) -> None:
    rows = [_row(suite, "sports", name, 0, ndcg) for name, ndcg in (("low", 0.1), ("high", 0.3), ("low", 0.2))]
    page = suite.page_of(rows, small=False)
    assert page.index("| high |") < page.index("| low | 0.1500 ± 0.0707")
    assert page.index("not made here") < page.index("| TIGER | 0.0264 | 0.0181 | 0.0400 | 0.0225 |")
    assert "transitions 18" in page
    assert "Reduced" not in page
    assert "Beauty" not in page
    assert "4 epochs instead of" in suite.page_of(rows, small=True)


def test_what_is_said_to_be_reduced_is_true(suite: ModuleType) -> None:
    recipe = yaml.safe_load((ROOT / "alignment" / "recipes" / "beauty-encoder_decoder.yaml").read_text())
    assert f"{suite.SMALL['train']['epochs']} epochs instead of {recipe['train']['epochs']}" in suite.REDUCED
    few, most = suite.SMALL["evaluate"]["sasrec"]["epochs"], suite.SETTINGS["sasrec"]["epochs"]
    assert f"SASRec for {few} instead of up to {most}" in suite.REDUCED.replace("\n", " ")
