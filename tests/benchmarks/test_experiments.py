"""The programs that make result tables: rows stay, settings are valid, tables are means over seeds."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from genrec.cli.common import section_kinds
from genrec.config import load_settings

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that imports a program of the folder as if it were started there with some words."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")

    def import_with(name: str, *words: str) -> ModuleType:
        monkeypatch.setattr(sys, "argv", [name, *words])
        return importlib.import_module(name)

    return import_with


def test_settings_are_merged_key_by_key(load: Any) -> None:
    merged = load("experiments").merged
    first = {"train": {"model": {"kind": "a", "heads": 2}, "epochs": 3}}
    assert merged(first, {"train": {"model": {"kind": "b"}}}, {"data": {}}) == {
        "train": {"model": {"kind": "b", "heads": 2}, "epochs": 3}, "data": {}
    }  # fmt: skip
    assert first["train"]["model"]["kind"] == "a"


def test_a_row_that_is_there_is_not_made_again(load: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    experiments, file, made = load("experiments"), tmp_path / "deep" / "rows.json", []

    def make(job: Any, _figures: object) -> dict[str, Any]:
        made.append(job.key)
        if job.key["seed"] == 2:
            raise SystemExit("cut off")
        return job.key | {"recall@10": 0.5}

    monkeypatch.setattr(experiments, "make_row", make)
    jobs = [experiments.Job({"data": "d", "seed": seed}, {}, tmp_path) for seed in range(3)]
    for _ in range(2):
        with pytest.raises(SystemExit):
            experiments.run_jobs(jobs, file, ["recall@10"])
    assert [key["seed"] for key in made] == [0, 1, 2, 2]
    assert [row["seed"] for row in json.loads(file.read_text())] == [0, 1]
    assert not file.with_name(".rows.json").exists()


def test_a_table_has_means_over_the_seeds(load: Any) -> None:
    costs = {"minutes": 2.0, "parameters": 1234, "tokens_per_second": None, "peak_mib": 700}
    rows = [{"model": name, "ndcg@10": value, **costs} for name, value in (("a", 0.02), ("b", 0.5), ("a", 0.04))]
    lines = load("experiments").table(rows, ("model",), ("ndcg@10",)).splitlines()
    assert lines[2] == "| a | 0.0300 ± 0.0141 | 2 | 1,234 | 2.0 | – | 700 |"
    assert lines[3].startswith("| b | 0.5000 | 1 |")
    assert len({line.count("|") for line in lines}) == 1


def _is_valid(sections: dict[str, Any], file: Path) -> None:
    file.write_text(yaml.safe_dump(sections))
    load_settings(section_kinds(), file)


@pytest.mark.parametrize("model", ["sasrec", "decoder", "encoder_decoder", "lazy_decoder", "t5"])
def test_settings_of_generators_are_valid(load: Any, tmp_path: Path, model: str) -> None:
    (tmp_path / "Sports.seq.txt").write_text("u a b c\n")
    (tmp_path / "Sports.items.tsv").write_text("item_id\ttitle\n")
    folders = ["--data-folder", str(tmp_path), "--folder", str(tmp_path / "runs")]
    program = load("generators", "--small", *folders)
    job = program.job_of(program._options(), "sports", model, 4)
    _is_valid(job.sections, tmp_path / "settings.yaml")
    assert job.sections["evaluate"]["baselines"] == (["sasrec"] if model == "sasrec" else [])
    assert ("train" in job.sections) == (model != "sasrec")
    assert Path(job.sections["data"]["path"]).read_text() == "u a b c\n"


@pytest.mark.parametrize("small", [True, False])
def test_settings_of_sessionwise_are_valid(load: Any, tmp_path: Path, small: bool) -> None:
    program = load("sessionwise", *(["--small"] if small else []))
    options = program._options()
    runs = {}
    for data in program.DATA:
        for model in program.MODELS:
            job = program._job(options, data, model, 0)
            _is_valid(job.sections, tmp_path / "settings.yaml")
            runs[data, model] = job
    for data in program.DATA:
        whole, best = (runs[data, model] for model in ("session-wise", "session-wise, best items"))
        assert whole.run == best.run
        assert whole.sections["train"] == best.sections["train"]
        assert (whole.sections["evaluate"]["generate"], best.sections["evaluate"]["generate"]) == (
            "session",
            "list",
        )
        assert runs[data, "point-wise"].run != whole.run
