from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from genrec.data import Dataset
from genrec.data.config import Columns, DataConfig, ItemColumns, Problems
from genrec.data.make import make_dataset, write_dataset
from genrec.errors import DataError

LOG = """\
user,item,time,stars
u1,a,1700000000,5
,a,1700000001,5
u1,b,yesterday,5
u1,a,99,4
u2,zz,1700000002,4
u2,a,1700000003,five
u2,b,1700000004,3
u3,,,
"""
ITEMS = """\
id,name,picture
a,Apple,a.png
b,Banana,b.png
b,Bananas,b.png
c,,c.png
,Ghost,
"""


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    for name, text in (("log.csv", LOG), ("items.csv", ITEMS)):
        (tmp_path / name).write_text(text, encoding="utf-8")
    Image.new("RGB", (2, 2)).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"no image")
    return {"path": tmp_path / "log.csv", "items": tmp_path / "items.csv"}


def config_of(files: dict[str, Path], **problems: str) -> DataConfig:
    return DataConfig(
        source="table",
        **files,
        columns=Columns(user_id="user", item_id="item", timestamp="time", value="stars"),
        item_columns=ItemColumns(item_id="id", title="name", image="picture"),
        problems=Problems.model_validate(problems),
    )


def test_all_problems_come_at_once_with_file_row_and_remedy(files: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        make_dataset(config_of(files, empty_text="raise"), tmp_path / "run", 0)
    log, items = files["path"], files["items"]
    assert set(caught.value.problems) == {
        f"{items}: 1 items without an item_id: row 6. Fill them in, or set data.problems.missing_ids=drop.",
        f"{items}: 1 items listed again with other contents: row 4 (item b). Leave one of each, or set "
        "data.problems.duplicate_items=drop.",
        f"{items}: 1 images that are missing or broken: row 3 ({items.parent / 'b.png'}). Replace the "
        "files, or set data.problems.broken_images=drop.",
        f"{log}: 2 interactions without a user_id or an item_id: row 3, row 9. Fill them in, or set "
        "data.problems.missing_ids=drop.",
        f"{log}: 1 interactions with items the catalogue lacks: row 6 (zz). Add the items to the catalogue, or set "
        "data.problems.unknown_items=drop or data.problems.unknown_items=keep.",
        f"{log}: 2 timestamps that are missing or unreadable: row 4 ('yesterday'), row 9 (empty). Correct the "
        "rows, or set data.time_format to what the file holds, or set data.problems.bad_timestamps=drop.",
        f"{log}: 1 timestamps before 1990 or after 2100: row 5 (99000 ms). Correct the rows, or set "
        "data.time_format (s, ms, us, ns), or set data.problems.timestamps_out_of_range=drop.",
        f"{log}: 1 values that are not finite numbers: row 7 ('five'). Correct the rows, or set "
        "data.problems.bad_values=drop or data.problems.bad_values=keep.",
    }
    assert not (tmp_path / "run" / "dataset").exists()


def test_what_is_dropped_is_counted(files: dict[str, Path], tmp_path: Path) -> None:
    drop = dict.fromkeys(
        (
            "missing_ids",
            "bad_timestamps",
            "timestamps_out_of_range",
            "bad_values",
            "unknown_items",
            "duplicate_items",
            "broken_images",
        ),
        "drop",
    )
    manifest = make_dataset(config_of(files, **drop), tmp_path / "run", 0)
    data = Dataset.load(tmp_path / "run" / "dataset")
    assert data.interactions.select("user_id", "item_id", "value").rows() == [("u1", "a", 5.0), ("u2", "b", 3.0)]
    assert data.items.rows() == [("a", "Apple", str(files["items"].parent / "a.png")), ("b", "Banana", None)]
    assert {entry["what"]: entry["count"] for entry in manifest.details["dropped"]} == {
        "items without an item_id": 1,
        "items listed again with other contents": 1,
        "images that are missing or broken": 1,
        "interactions without a user_id or an item_id": 2,
        "interactions with items the catalogue lacks": 1,
        "timestamps that are missing or unreadable": 2,
        "timestamps before 1990 or after 2100": 1,
        "values that are not finite numbers": 1,
    }


def test_unknown_items_can_join_the_catalogue_and_bad_values_be_emptied(tmp_path: Path) -> None:
    log = pl.DataFrame({"user_id": "u", "item_id": ["a", "new"], "value": ["1", "x"]})
    items = pl.DataFrame({"item_id": ["a"], "title": ["A"]})
    config = DataConfig(problems=Problems(unknown_items="keep", bad_values="keep"))
    manifest = write_dataset(tmp_path / "d", items, log, config)
    data = Dataset.load(tmp_path / "d")
    assert data.titles == ["A", "new"]
    assert data.interactions["value"].to_list() == [1.0, None]
    assert [entry["count"] for entry in manifest.details["kept"]] == [1, 1]


def test_items_without_text_are_kept_and_counted(tmp_path: Path) -> None:
    log = pl.DataFrame({"user_id": "u", "item_id": ["a", "b"]})
    items = pl.DataFrame({"item_id": ["a", "b"], "title": ["A", " "]})
    kept = write_dataset(tmp_path / "d", items, log).details["kept"]
    assert [(entry["what"], entry["examples"]) for entry in kept] == [
        ("items without any text", ["row 2 (item b)"])
    ]
    with pytest.raises(DataError, match="1 items without any text"):
        write_dataset(tmp_path / "d", items, log, DataConfig(problems=Problems(empty_text="raise")))


def test_items_listed_twice_alike_are_harmless_and_counted(tmp_path: Path) -> None:
    log = pl.DataFrame({"user_id": "u", "item_id": ["a"]})
    items = pl.DataFrame({"item_id": ["a", "a"], "title": ["A", "A"]})
    dropped = write_dataset(tmp_path / "d", items, log).details["dropped"]
    assert [(entry["what"], entry["count"]) for entry in dropped] == [
        ("items listed again with the same contents", 1)
    ]


def test_a_failed_import_leaves_the_earlier_artefact_whole(files: dict[str, Path], tmp_path: Path) -> None:
    good = pl.DataFrame({"user_id": "u", "item_id": ["a"]})
    before = write_dataset(tmp_path / "run" / "dataset", None, good)
    with pytest.raises(DataError):
        make_dataset(config_of(files), tmp_path / "run", 0)
    assert Dataset.load(tmp_path / "run" / "dataset").manifest.digest == before.digest
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["dataset"]


@pytest.mark.parametrize("moment", [631_151_999_999, 4_102_444_800_000])
def test_the_range_of_times_ends_at_both_ends(tmp_path: Path, moment: int) -> None:
    log = pl.DataFrame(
        {"user_id": "u", "item_id": ["a", "b", "c"], "timestamp": [moment, 631_152_000_000, 1_700_000_000_000]}
    )
    with pytest.raises(DataError, match=rf"1 timestamps before 1990 or after 2100: row 1 \({moment} ms\)"):
        write_dataset(tmp_path / "d", None, log, DataConfig(time_format="ms"))
