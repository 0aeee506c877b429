"""Real files beside the repository: the counts that their sources state."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from genrec.data import Dataset
from genrec.data.config import DataConfig
from genrec.data.make import make_dataset

pytestmark = pytest.mark.realdata

CASES = [
    ({"source": "sequences", "path": "amazon2014/Beauty.seq.txt"}, (22_363, 12_101, 198_502)),
    ({"source": "sequences", "path": "amazon2014/Sports.seq.txt"}, (35_598, 18_357, 296_337)),
    ({"source": "movielens", "path": "movielens_latest_small"}, (671, 9_066, 100_004)),
    ({"source": "kuaisar", "path": "kuaisar", "sessions": {"by": "request"}}, (1_791, 69_704, 117_590)),
    ({"source": "abxi", "path": "abxi", "split": {"by": "temporal"}}, (4_474, 10_379 + 14_188, 114_129)),
    ({"source": "minionerec", "path": "amazon2018_industrial"}, (3_285, 3_541, 22_743)),
    (
        {
            "source": "table",
            "path": "movielens_latest_small/ratings.csv",
            "items": "movielens_posters/items.csv",
            "columns": {"user_id": "userId", "item_id": "movieId", "value": "rating", "timestamp": "timestamp"},
            "item_columns": {"item_id": "movieId", "text": ["genres", "plot"], "image": "img/{movieId}.jpg"},
            "problems": {"unknown_items": "drop"},
        },
        (671, 1_385, 52_825),
    ),
]


@pytest.mark.parametrize(
    ("settings", "counts"), CASES, ids=lambda case: case.get("path") if isinstance(case, dict) else ""
)
def test_counts_are_those_of_the_source(
    settings: dict[str, Any], counts: tuple[int, int, int], shared_data: Path, tmp_path: Path
) -> None:
    files = {name: str(shared_data / settings[name]) for name in ("path", "items") if name in settings}
    manifest = make_dataset(DataConfig.model_validate(settings | files), tmp_path, 0)
    found = manifest.details["counts"]
    assert (found["users"], found["items"], found["interactions"]) == counts
    data = Dataset.load(tmp_path / "dataset")
    split = manifest.details["split"]
    assert len(data.examples("test")) == split["test"]
    assert all(len(history) for history in data.examples("valid").histories)
    lost = sum(entry["count"] for entry in manifest.details["dropped"])
    assert lost == (100_004 - 52_825 if settings["source"] == "table" else 0)
