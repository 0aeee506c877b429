"""What ``genrec init`` makes of files it has never seen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from genrec.cli.common import section_kinds
from genrec.config import load_settings
from genrec.data.config import DataConfig
from genrec.data.guess import guess
from genrec.data.make import make_dataset
from genrec.data.starter import starter_config
from genrec.errors import DataError

START = 1_700_000_000


def write(file: Path, lines: list[str]) -> Path:
    file.parent.mkdir(exist_ok=True)
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def shop_log(header: str | None, count: int = 60) -> list[str]:
    """A log of 6 customers and 10 products, in the order: customer, product, stars, time."""
    rows = [f"c{n // 10},p{n * 7 % 10},{n % 5 + 1},{START + n * 3600}" for n in range(count)]
    return [header, *rows] if header else rows


def shop_catalogue(header: str = "sku,product_name,description,url") -> list[str]:
    rows = [f"p{n},Thing {n},A thing with the number {n}.,http://shop/{n}" for n in range(10)]
    return [header, *rows]


def test_columns_are_told_by_their_names(tmp_path: Path) -> None:
    log = write(tmp_path / "log.csv", shop_log("CustomerID,Product_ID,stars,event_time"))
    assert guess(log).data == {
        "source": "table",
        "path": str(log),
        "columns": {"user_id": "CustomerID", "item_id": "Product_ID", "timestamp": "event_time", "value": "stars"},
    }


@pytest.mark.parametrize("header", ["a,b,c,d", None])
def test_columns_are_told_by_their_contents(tmp_path: Path, header: str | None) -> None:
    log = write(tmp_path / "export.csv", shop_log(header))
    names = header.split(",") if header else [f"column_{n}" for n in range(1, 5)]
    expected = dict(zip(("user_id", "item_id", "value", "timestamp"), names, strict=True))
    assert guess(log).data["columns"] == expected
    assert any("please check" in line for line in guess(log).because)


def test_a_folder_with_a_log_and_a_catalogue(tmp_path: Path) -> None:
    write(tmp_path / "orders.csv", shop_log("customer,product,quantity,time"))
    write(tmp_path / "products.csv", shop_catalogue())
    write(tmp_path / "readme.txt", ["Nothing but words."])
    data = guess(tmp_path).data
    assert (data["path"], data["items"]) == (str(tmp_path / "orders.csv"), str(tmp_path / "products.csv"))
    assert data["item_columns"] == {"item_id": "sku", "title": "product_name", "text": ["description"]}


def test_images_named_after_the_items_are_found(tmp_path: Path) -> None:
    write(tmp_path / "orders.csv", shop_log("customer,product,quantity,time"))
    write(tmp_path / "products.csv", shop_catalogue())
    write(tmp_path / "pictures" / "p3.jpg", [""])
    assert guess(tmp_path).data["item_columns"]["image"] == "pictures/{sku}.jpg"


@pytest.mark.parametrize("ending", ["parquet", "jsonl"])
def test_other_formats(tmp_path: Path, ending: str) -> None:
    import polars as pl

    frame = pl.read_csv(write(tmp_path / "log.csv", shop_log("user,item,stars,ts")))
    file = tmp_path / f"log.{ending}"
    frame.write_parquet(file) if ending == "parquet" else frame.write_ndjson(file)
    (tmp_path / "log.csv").unlink()
    columns = {"user_id": "user", "item_id": "item", "timestamp": "ts", "value": "stars"}
    assert guess(tmp_path).data["columns"] == columns


@pytest.mark.parametrize(
    ("names", "source"),
    [
        (["ratings.csv", "movies.csv"], "movielens"),
        (["x.inter", "x.item"], "recbole"),
        (["Beauty.seq.txt"], "sequences"),
        (["df.csv", "video_features.csv"], "kuaisar"),
        (["abe_preprocessed.txt", "item_map.json"], "abxi"),
        (["partial_sequences.json", "items.json"], "minionerec"),
    ],
)
def test_published_layouts_are_recognised(tmp_path: Path, names: list[str], source: str) -> None:
    for name in names:
        write(tmp_path / name, [""])
    assert guess(tmp_path).data == {"source": source, "path": str(tmp_path)}


def test_amazon_is_recognised_by_its_fields(tmp_path: Path) -> None:
    review = {"user_id": "u", "parent_asin": "B", "rating": 5.0, "timestamp": START * 1000}
    write(tmp_path / "All_Beauty.jsonl", [json.dumps(review)] * 9)
    write(tmp_path / "meta_All_Beauty.jsonl", [json.dumps({"parent_asin": "B", "title": "Soap"})])
    assert guess(tmp_path).data == {
        "source": "amazon",
        "path": str(tmp_path / "All_Beauty.jsonl"),
        "items": str(tmp_path / "meta_All_Beauty.jsonl"),
    }


def test_a_table_without_users_is_no_log(tmp_path: Path) -> None:
    write(tmp_path / "products.csv", shop_catalogue())
    with pytest.raises(DataError, match=r"products\.csv has the columns sku, product_name") as caught:
        guess(tmp_path)
    assert "No file at" in caught.value.problems[0]


@pytest.mark.parametrize("path", ["none", "empty"])
def test_nothing_to_look_at(tmp_path: Path, path: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"There is no file|holds no CSV"):
        guess(tmp_path / path)


def test_the_written_config_imports_as_it_is(tmp_path: Path) -> None:
    write(tmp_path / "orders.csv", shop_log("customer,product,quantity,time"))
    write(tmp_path / "products.csv", shop_catalogue())
    found = guess(tmp_path)
    text = starter_config(section_kinds(), str(tmp_path / "run"), found.data, found.because, "genrec data")
    (tmp_path / "genrec.yaml").write_text(text, encoding="utf-8")
    settings = load_settings(section_kinds(), tmp_path / "genrec.yaml")
    assert settings.dump() == yaml.safe_load(text) | {"data": settings.dump()["data"]}
    manifest = make_dataset(settings.section("data", DataConfig), settings.run, settings.seed)
    assert manifest.details["counts"]["interactions"] == 60
    assert manifest.details["text_columns"] == ["title", "description"]


@pytest.mark.parametrize("data", [{}, {"source": "table", "path": "a: b #c.csv", "time_format": "%d: %H"}])
def test_every_line_of_a_written_config_is_commented_and_reads_back(data: dict[str, Any]) -> None:
    text = starter_config(section_kinds(), "runs/x: y", data, ["seen: #1"], "genrec data")
    raw = yaml.safe_load(text)
    assert raw["run"] == "runs/x: y"
    assert DataConfig.model_validate(raw["data"]) == DataConfig.model_validate(data)
    assert all("  # " in line for line in text.split("\ndata:\n")[1].split("\n\n")[0].splitlines())
