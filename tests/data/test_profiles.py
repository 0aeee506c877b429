"""Who the users are: found beside the log, one row a user, whatever is missing."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from genrec.config import load_settings
from genrec.data import Dataset
from genrec.data.config import DataConfig, UserColumns
from genrec.data.make import make_dataset, write_dataset
from genrec.data.profiles import read_users
from genrec.errors import ConfigError, DataError

LOG = pl.DataFrame({"user_id": list("vuw"), "item_id": list("aba")})


def test_one_row_a_user_in_order(tmp_path: Path) -> None:
    people = pl.DataFrame(
        {"user_id": ["w", "x", "u", "u"], "age": [30, 40, 50, 50], "city": [" Rome", "Oslo", "", ""]}
    )
    manifest = write_dataset(tmp_path / "d", None, LOG, users=people)
    dataset = Dataset.load(tmp_path / "d")
    assert dataset.user_ids == ["u", "v", "w"]
    assert read_users(dataset).rows() == [("50", None), (None, None), ("30", "Rome")]
    assert manifest.details["users"] == {"columns": ["age", "city"], "unknown": 1}


def test_without_users_there_are_no_columns(tmp_path: Path) -> None:
    manifest = write_dataset(tmp_path / "d", None, LOG)
    assert read_users(Dataset.load(tmp_path / "d")).columns == []
    assert "users.parquet" not in manifest.files


def test_a_user_listed_again_with_other_contents(tmp_path: Path) -> None:
    people = pl.DataFrame({"user_id": ["u", "u"], "age": [50, 51]})
    with pytest.raises(DataError, match="1 users listed again with other contents: u"):
        write_dataset(tmp_path / "d", None, LOG, users=people)


def test_the_people_of_movielens(tmp_path: Path) -> None:
    make_dataset(DataConfig(), tmp_path, 0)
    dataset = Dataset.load(tmp_path / "dataset")
    people = read_users(dataset)
    assert people.columns == ["age", "gender", "occupation"]
    assert people.row(dataset.user_index_of["1"]) == ("24", "M", "technician")
    assert people.null_count().sum_horizontal().item() == 0


def test_the_people_of_recbole_lie_beside_the_log(tmp_path: Path) -> None:
    (tmp_path / "x.inter").write_text("user_id:token\titem_id:token\nu\ta\nu\tb\n")
    (tmp_path / "x.user").write_text("user_id:token\tage:float\tname:token_seq\nu\t20\tJo Do\nz\t1\tNo\n")
    make_dataset(DataConfig(source="recbole", path=tmp_path / "x.inter"), tmp_path / "run", 0)
    assert read_users(Dataset.load(tmp_path / "run" / "dataset")).rows() == [("20", "Jo Do")]


def test_the_people_of_a_table_are_named(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("user_id,item_id\nu,a\nu,b\n")
    (tmp_path / "people.csv").write_text("who;age;secret\nu;20;x\n")
    config = DataConfig(
        source="table",
        path=tmp_path / "log.csv",
        users=tmp_path / "people.csv",
        user_columns=UserColumns(user_id="who", columns=("age",)),
    )
    make_dataset(config, tmp_path / "run", 0)
    assert read_users(Dataset.load(tmp_path / "run" / "dataset")).to_dicts() == [{"age": "20"}]
    wrong = config.model_copy(update={"user_columns": UserColumns(user_id="whom")})
    with pytest.raises(DataError, match="Did you mean 'who'"):
        make_dataset(wrong, tmp_path / "run", 0)


def test_a_source_that_finds_the_users_by_itself_takes_no_file() -> None:
    with pytest.raises(ConfigError, match="finds these out by itself, leave them out: users"):
        load_settings({"data": DataConfig}, overrides=["data.users=people.csv"])
