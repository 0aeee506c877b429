"""Logs as files, and ``genrec off-policy`` as a person types it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from genrec.errors import ConfigError, DataError
from genrec_eval.off_policy import BanditLog, estimate_all, estimate_file
from tests.eval.off_policy import reference

LOG = {
    "reward": [1, 0, 1],
    "propensity": [0.5, 0.25, 0.5],
    "target_propensity": [0.25, 0.5, 0.5],
    "action": ["a"] * 3,
}
MODEL = {"estimated_reward": [0.5, 0.5, 0.5], "estimated_value": [0.4, 0.5, 0.6]}


@pytest.mark.parametrize("name", ["log.csv", "log.parquet"])
def test_a_file_says_what_its_columns_say(tmp_path: Path, name: str) -> None:
    table = pl.DataFrame(LOG | MODEL | {"action": ["a", "b", "a"]})
    table.write_csv(tmp_path / name) if name.endswith("csv") else table.write_parquet(tmp_path / name)
    log = BanditLog.of(LOG["reward"], LOG["propensity"], LOG["target_propensity"], *MODEL.values())
    assert estimate_file(tmp_path / name) == estimate_all(log)
    assert estimate_file(tmp_path / name, max_weight=1)[0].clipped == pytest.approx(1 / 3)
    table.drop(list(MODEL)).write_csv(tmp_path / "short.csv")
    assert [one.estimator for one in estimate_file(tmp_path / "short.csv")] == ["ips", "snips"]


def test_a_file_of_lists(tmp_path: Path) -> None:
    log = reference.lists()
    columns = {name.removesuffix("s").replace("propensitie", "propensity"): values for name, values in log.items()}
    pl.DataFrame(columns).write_parquet(tmp_path / "lists.parquet")
    found = {one.estimator.partition(", ")[2]: one for one in estimate_file(tmp_path / "lists.parquet")}
    assert {name: one.value for name, one in found.items()} == pytest.approx(
        {name: reference.OBP[name] for name in ("independent", "cascade", "standard")}
    )
    assert found["cascade"].rows == 15
    with pytest.raises(ConfigError, match="not cut"):
        estimate_file(tmp_path / "lists.parquet", max_weight=2)


def test_files_that_are_no_log_are_refused(tmp_path: Path) -> None:
    pl.DataFrame({"rewards": [1], "slate": [0]}).write_csv(tmp_path / "odd.csv")
    with pytest.raises(DataError) as error:
        estimate_file(tmp_path / "odd.csv")
    assert len(error.value.problems) == 4
    assert "Did you mean 'rewards'" in str(error.value)
    (tmp_path / "broken.parquet").write_text("no table")
    with pytest.raises(DataError, match="cannot be read"):
        estimate_file(tmp_path / "broken.parquet")
    with pytest.raises(DataError, match="no file"):
        estimate_file(tmp_path / "none.csv")
    pl.DataFrame(LOG | {"reward": ["1", None, "x"], "propensity": [0.5, 0.0, 0.5]}).write_csv(
        tmp_path / "holes.csv"
    )
    with pytest.raises(DataError) as error:
        estimate_file(tmp_path / "holes.csv")
    assert "reward" in error.value.problems[0]
    assert "(rows: 2, counted from 0: 1, 2)" in error.value.problems[0]
    assert "propensities is 0" in error.value.problems[1]


def test_the_command_prints_a_table_or_json(tmp_path: Path) -> None:
    pl.DataFrame(LOG | MODEL).write_csv(tmp_path / "log.csv")
    done = _genrec("off-policy", str(tmp_path / "log.csv"), "--max-weight", "1", "--level", "0.9")
    assert done.returncode == 0, done.stderr
    assert "90 % interval" in done.stdout
    assert "doubly_robust" in done.stdout
    assert "33.33% of the weights were cut" in done.stdout
    said = json.loads(_genrec("off-policy", str(tmp_path / "log.csv"), "--json").stdout)
    assert said["estimates"][0]["value"] == pytest.approx(0.5)
    done = _genrec("off-policy", str(tmp_path / "none.csv"))
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)


def _genrec(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "genrec", *words], capture_output=True, text=True, check=False)
