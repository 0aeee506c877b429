"""The benchmark on Open Bandit, on logs of its form that are made here."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import polars as pl
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
ITEMS, ROWS = 5, 6000


@pytest.fixture
def folder(tmp_path: Path, rng: np.random.Generator) -> Path:
    """Logs in which items of higher numbers are clicked more, and ``bts`` shows these more often."""
    shares = {"random": np.full(ITEMS, 1 / ITEMS), "bts": np.arange(1, ITEMS + 1) / 15}
    for policy, share in shares.items():
        for campaign in ("all", "men", "women"):
            items = rng.choice(ITEMS, ROWS, p=share)
            table = {
                "item_id": items,
                "position": rng.integers(1, 4, ROWS),
                "click": (rng.random(ROWS) < items / 10).astype(int),
                "propensity_score": share[items],
            }
            place = tmp_path / "obp" / "dataset" / "obd" / policy / campaign
            place.mkdir(parents=True)
            pl.DataFrame(table).write_csv(place / f"{campaign}.csv")
    priors = {name: {"alpha": [1.0] * ITEMS, "beta": [4.0] * ITEMS} for name in ("all", "men", "women")}
    (tmp_path / "obp" / "policy" / "conf").mkdir(parents=True)
    (tmp_path / "obp" / "policy" / "conf" / "prior_bts.yaml").write_text(yaml.safe_dump(priors))
    return tmp_path


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    module = importlib.import_module("off_policy")
    monkeypatch.setattr(module, "DRAWS", 20_000)
    return module


def test_what_bts_earned_is_found_from_the_logs_of_random(
    benchmark: ModuleType, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["off_policy.py", str(folder), "--json"])
    benchmark.main()
    for result in json.loads(capsys.readouterr().out):
        own = result["on_policy"]["bts"]["mean"]
        shown = {one["estimator"]: one for one in result["shown"]["estimates"]}
        assert own > result["on_policy"]["random"]["mean"] + 0.03
        for name in ("ips", "snips", "doubly_robust"):
            assert shown[name]["value"] == pytest.approx(own, abs=0.03)
        # A prior that knows nothing of the items shows them alike.
        assert result["prior"]["estimates"][0]["value"] == pytest.approx(0.2, abs=0.03)
        assert result["distance"] == pytest.approx(0.2, abs=0.05)


def test_the_table_has_every_estimate(benchmark: ModuleType, folder: Path) -> None:
    results = [benchmark.measure(folder, "men", 0, compare=False)]
    assert len(benchmark.as_markdown(results).splitlines()) == 2 + 2 + 2 * 4 + 2
