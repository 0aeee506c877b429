"""Every importer, on small files written in its layout."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from genrec.data import Dataset, importers
from genrec.data.config import Columns, DataConfig, ItemColumns
from genrec.data.make import make_dataset
from genrec.errors import DataError, UnknownNameError

START = 1_700_000_000
REVIEW_2014 = {"reviewerID": "U", "asin": "B1", "overall": 5.0, "unixReviewTime": START, "reviewText": "a\nb"}
REVIEW_2023 = {"user_id": "U", "asin": "V", "parent_asin": "B1", "rating": 4.0, "timestamp": START * 1000}


def imported(folder: Path, source: str, path: Path | None, **settings: Any) -> Dataset:
    make_dataset(DataConfig(source=source, path=path, **settings), folder / "run", 0)
    return Dataset.load(folder / "run" / "dataset")


def write(file: Path, text: str, encoding: str = "utf-8") -> Path:
    file.write_text(text, encoding=encoding)
    return file


def rows(data: Dataset, *columns: str) -> list[tuple[Any, ...]]:
    return data.interactions.select(columns or ("user_id", "item_id", "timestamp", "value")).rows()


def test_an_unknown_source_gets_a_suggestion(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'movielens'"):
        imported(tmp_path, "movilens", tmp_path)


def test_a_missing_path_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="There is no file"):
        imported(tmp_path, "amazon", tmp_path / "none.jsonl")


class TestMovieLens:
    def test_the_hundred_thousand_ratings_of_recbole(self, tmp_path: Path) -> None:
        data = imported(tmp_path, "movielens", None)
        assert data.manifest.details["counts"] | {"density": 0} == {
            "users": 943, "items": 1682, "interactions": 100_000, "density": 0
        }  # fmt: skip
        assert data.items.filter(item_id="1").rows() == [("1", "Toy Story (1995)", "Animation, Children's, Comedy")]
        assert data.items["title"].null_count() == 0
        first = data.interactions.filter(user_id="196", item_id="242").row(0, named=True)
        assert (first["timestamp"], first["value"]) == (881_250_949_000, 3.0)

    def test_the_hundred_thousand_ratings_as_published(self, tmp_path: Path) -> None:
        write(tmp_path / "u.data", f"1\t2\t5\t{START}\n1\t1\t3\t{START + 1}\n")
        flags = ["0"] * 19
        flags[1] = flags[4] = "1"
        text = (
            f'1|"Amélie" (2001)|01-Jan-2001||http://x|{"|".join(flags)}\n2|Heat (1995)|||y|{"|".join(["0"] * 19)}\n'
        )
        write(tmp_path / "u.item", text, "latin-1")
        data = imported(tmp_path, "movielens", tmp_path)
        assert rows(data) == [("1", "2", START * 1000, 5.0), ("1", "1", START * 1000 + 1000, 3.0)]
        assert data.items.rows() == [("1", '"Amélie" (2001)', "Action, Children's"), ("2", "Heat (1995)", None)]

    def test_the_million_ratings(self, tmp_path: Path) -> None:
        write(tmp_path / "ratings.dat", f"1::20::4::{START}\n")
        write(tmp_path / "movies.dat", "20::Café: Part 2 (1999)::Drama|War\n", "latin-1")
        data = imported(tmp_path, "movielens", tmp_path / "ratings.dat")
        assert rows(data) == [("1", "20", START * 1000, 4.0)]
        assert data.items.rows() == [("20", "Café: Part 2 (1999)", "Drama, War")]

    def test_a_short_line_of_the_million_ratings_is_reported(self, tmp_path: Path) -> None:
        write(tmp_path / "ratings.dat", f"1::20::4::{START}\n1::20\n")
        write(tmp_path / "movies.dat", "20::Heat::Drama\n")
        with pytest.raises(DataError, match=r"ratings\.dat: 1 interactions without a user_id or an item_id: row 2"):
            imported(tmp_path, "movielens", tmp_path)

    def test_the_csv_layout_with_tags(self, tmp_path: Path) -> None:
        write(tmp_path / "ratings.csv", f"userId,movieId,rating,timestamp\n1,5,4.5,{START}\n1,6,1,{START}\n")
        write(
            tmp_path / "movies.csv", 'movieId,title,genres\n5,"Saint, The",Action|Sci-Fi\n6,X,(no genres listed)\n'
        )
        write(tmp_path / "tags.csv", "userId,movieId,tag,timestamp\n1,5,Spy,1\n2,5,spy,1\n2,5,car,1\n")
        data = imported(tmp_path, "movielens", tmp_path)
        assert rows(data, "item_id", "value") == [("5", 4.5), ("6", 1.0)]
        assert data.items.rows() == [("5", "Saint, The", "Action, Sci-Fi", "spy, car"), ("6", "X", None, None)]

    def test_a_folder_without_a_log(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"none of MovieLens' logs .*u\.data"):
            imported(tmp_path, "movielens", tmp_path)


class TestAmazon:
    def test_2014_with_python_literals(self, tmp_path: Path) -> None:
        reviews = tmp_path / "reviews_Beauty_5.json.gz"
        reviews.write_bytes(gzip.compress(json.dumps(REVIEW_2014).encode()))
        meta = "{'asin': 'B1', 'title': \"Men's &amp; <b>soap</b>\", 'categories': [['Beauty', 'Bath']]}\n"
        meta += '{"asin": "B2", "title": "getTime() in a script"}\n'
        data = imported(tmp_path, "amazon", reviews, items=write(tmp_path / "meta.json", meta))
        assert rows(data) == [("U", "B1", START * 1000, 5.0)]
        assert data.items.row(0, named=True) == {
            "item_id": "B1", "title": "Men's & soap", "categories": "Beauty, Bath"
        }  # fmt: skip

    def test_literals_are_never_run(self, tmp_path: Path) -> None:
        reviews = write(tmp_path / "reviews.json", json.dumps(REVIEW_2014))
        meta = write(tmp_path / "meta.json", f"__import__('pathlib').Path({str(tmp_path / 'run.txt')!r}).touch()\n")
        with pytest.raises(DataError, match=r"1 lines hold no JSON record: row 1"):
            imported(tmp_path, "amazon", reviews, items=meta)
        assert not (tmp_path / "run.txt").exists()

    def test_2018_with_lists(self, tmp_path: Path) -> None:
        reviews = write(tmp_path / "reviews.json", json.dumps(REVIEW_2014 | {"vote": "3"}))
        record = {"asin": "B1", "title": "Glue", "category": ["Industrial", "Glue"], "description": ["Sticks.", ""]}
        data = imported(tmp_path, "amazon", reviews, items=write(tmp_path / "meta.json", json.dumps(record)))
        assert data.items.row(0, named=True) == {
            "item_id": "B1", "title": "Glue", "categories": "Industrial, Glue", "description": "Sticks."
        }  # fmt: skip

    def test_2023_counts_the_parent_product(self, tmp_path: Path) -> None:
        reviews = write(tmp_path / "All_Beauty.jsonl", json.dumps(REVIEW_2023) + "\n\n")
        record = {"parent_asin": "B1", "title": "Soap", "store": "Shop", "categories": [], "description": ["Nice"]}
        data = imported(tmp_path, "amazon", reviews, items=write(tmp_path / "meta.jsonl", json.dumps(record)))
        assert rows(data) == [("U", "B1", START * 1000, 4.0)]
        assert data.items.row(0, named=True)["brand"] == "Shop"

    def test_broken_lines_are_named(self, tmp_path: Path) -> None:
        good = json.dumps(REVIEW_2023)
        reviews = write(tmp_path / "reviews.jsonl", f"{good}\n{{broken\n{good}\n[1]\n")
        with pytest.raises(DataError, match=r"reviews\.jsonl: 2 lines hold no JSON record: row 2, 4\."):
            imported(tmp_path, "amazon", reviews)

    def test_a_download_cut_short(self, tmp_path: Path) -> None:
        whole = gzip.compress("\n".join(json.dumps(REVIEW_2023 | {"n": n}) for n in range(999)).encode())
        (tmp_path / "reviews.jsonl.gz").write_bytes(whole[: len(whole) // 2])
        with pytest.raises(DataError, match=r"cannot be read to its end"):
            imported(tmp_path, "amazon", tmp_path / "reviews.jsonl.gz")

    def test_other_records_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"its first record has who, what"):
            imported(tmp_path, "amazon", write(tmp_path / "reviews.jsonl", '{"who": 1, "what": 2}'))


class TestSequences:
    def test_users_and_their_items(self, tmp_path: Path) -> None:
        write(tmp_path / "X.seq.txt", "u1 b a c\n\nu2 a\n")
        write(tmp_path / "X.items.tsv", 'item_id\tasin\ttext\na\tB1\t5" pipe\nb\tB2\tbee\nc\tB3\tsea\n')
        data = imported(tmp_path, "sequences", tmp_path)
        assert rows(data, "user_id", "item_id", "timestamp") == [
            ("u1", "b", 0), ("u1", "a", 1), ("u1", "c", 2), ("u2", "a", 0)
        ]  # fmt: skip
        assert data.titles == ['5" pipe', "bee", "sea"]

    def test_a_user_without_items_is_reported(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"without a user_id or an item_id: row 2"):
            imported(tmp_path, "sequences", write(tmp_path / "X.seq.txt", "u1 a\nu2\n"))


class TestRecBole:
    def test_types_leave_the_names_and_tokens_are_text(self, tmp_path: Path) -> None:
        write(
            tmp_path / "x.inter", f"user_id:token\titem_id:token\trating:float\ttimestamp:float\nu\ta\t2\t{START}\n"
        )
        write(tmp_path / "x.item", "item_id:token\tprice:float\ttitle:token_seq\tbrand:token\na\t9.5\tRed tea\tT\n")
        data = imported(tmp_path, "recbole", tmp_path)
        assert rows(data) == [("u", "a", START * 1000, 2.0)]
        assert data.items.row(0, named=True) == {"item_id": "a", "title": "Red tea", "brand": "T"}

    def test_other_names_can_be_mapped(self, tmp_path: Path) -> None:
        write(tmp_path / "x.inter", "uid:token\tnews:token\nu\ta\n")
        columns = Columns(user_id="uid", item_id="news")
        assert rows(imported(tmp_path, "recbole", tmp_path, columns=columns), "user_id", "item_id") == [("u", "a")]

    def test_two_logs_in_a_folder(self, tmp_path: Path) -> None:
        for name in ("x.inter", "y.inter"):
            write(tmp_path / name, "")
        with pytest.raises(DataError, match=r"must hold one \.inter file, but holds x\.inter, y\.inter"):
            imported(tmp_path, "recbole", tmp_path)


class TestKuaisar:
    def test_exposures_of_one_moment_are_a_request(self, tmp_path: Path) -> None:
        write(tmp_path / "df.csv", f"user_id,video_id,timestamp,is_click\n0,7,{START}000.0,0\n0,8,{START}000.0,1\n")
        head = ",".join(f"{level}_level_category_name" for level in ("first", "second", "third", "fourth"))
        write(tmp_path / "video_features.csv", f"video_id,item_type,{head}\n7,0,1,2,3,4\n8,0,5,6,7,8\n")
        data = imported(tmp_path, "kuaisar", tmp_path)
        assert rows(data, "item_id", "behavior") == [("7", "skip"), ("8", "click")]
        assert data.interactions["request_id"].n_unique() == 1
        assert data.items["first_category"].to_list() == ["first category 1", "first category 5"]


class TestAbxi:
    def test_items_have_their_asin_and_domain(self, tmp_path: Path) -> None:
        write(tmp_path / "ab_preprocessed.txt", f"0 2|{START} 1|{START + 5}\n")
        write(tmp_path / "item_map.json", json.dumps({"A": [1, 0], "B": [2, 1]}))
        data = imported(tmp_path, "abxi", tmp_path)
        assert rows(data, "item_id", "timestamp", "domain") == [
            ("B", START * 1000, "1"), ("A", START * 1000 + 5000, "0")
        ]  # fmt: skip

    def test_an_item_outside_the_map_is_unknown(self, tmp_path: Path) -> None:
        write(tmp_path / "ab_preprocessed.txt", f"0 9|{START}\n")
        write(tmp_path / "item_map.json", json.dumps({"A": [1, 0]}))
        with pytest.raises(DataError, match=r"items the catalogue lacks: row 1 \(9\)"):
            imported(tmp_path, "abxi", tmp_path)


def test_minionerec(tmp_path: Path) -> None:
    write(tmp_path / "partial_sequences.json", json.dumps({"A1": [1, 0], "A2": [0]}))
    item = {"title": "Glue", "description": "['Sticks.', 'Well.']", "brand": "", "categories": ""}
    write(tmp_path / "items.json", json.dumps({"0": item, "1": item | {"title": "Tape", "description": "Plain"}}))
    data = imported(tmp_path, "minionerec", tmp_path)
    assert rows(data, "user_id", "item_id") == [("A1", "1"), ("A1", "0"), ("A2", "0")]
    assert data.items.select("title", "description").rows() == [("Glue", "Sticks. Well."), ("Tape", "Plain")]


class TestTable:
    FRAME = pl.DataFrame({"who": ["u", "u"], "what": ["b", "a"], "when": [START, START + 1], "extra": [1, 2]})
    COLUMNS = Columns(user_id="who", item_id="what", timestamp="when")

    @pytest.mark.parametrize("ending", ["csv", "tsv", "parquet", "jsonl", "csv.gz", "jsonl.gz"])
    def test_every_format(self, tmp_path: Path, ending: str) -> None:
        file = tmp_path / f"log.{ending}"
        plain = tmp_path / f"log.{ending.removesuffix('.gz')}"
        match plain.suffix:
            case ".csv" | ".tsv":
                self.FRAME.write_csv(plain, separator="," if plain.suffix == ".csv" else "\t")
            case ".parquet":
                self.FRAME.write_parquet(plain)
            case ".jsonl":
                self.FRAME.write_ndjson(plain)
        if file != plain:
            file.write_bytes(gzip.compress(plain.read_bytes()))
        data = imported(tmp_path, "table", file, columns=self.COLUMNS)
        assert rows(data, "user_id", "item_id", "timestamp") == [
            ("u", "b", START * 1000), ("u", "a", START * 1000 + 1000)
        ]  # fmt: skip

    def test_columns_with_the_right_names_need_no_mapping(self, tmp_path: Path) -> None:
        file = write(tmp_path / "log.csv", f"item_id;user_id;behavior;timestamp\na;u;click;{START}\n")
        assert rows(imported(tmp_path, "table", file), "user_id", "behavior") == [("u", "click")]

    def test_without_a_header_columns_are_numbered(self, tmp_path: Path) -> None:
        file = write(tmp_path / "ratings.csv", f"u,a,5.0,{START}\n")
        columns = Columns(user_id="column_1", item_id="column_2", value="column_3", timestamp="column_4")
        assert rows(imported(tmp_path, "table", file, columns=columns)) == [("u", "a", START * 1000, 5.0)]

    def test_a_byte_order_mark_and_blanks_in_the_header(self, tmp_path: Path) -> None:
        file = write(tmp_path / "log.csv", "\ufeffuser_id, item_id\nu,a\n")
        assert rows(imported(tmp_path, "table", file), "user_id", "item_id") == [("u", "a")]

    def test_images_by_template(self, tmp_path: Path) -> None:
        from PIL import Image

        (tmp_path / "img").mkdir()
        Image.new("RGB", (2, 2)).save(tmp_path / "img" / "a.png")
        log = write(tmp_path / "log.csv", "user_id,item_id\nu,a\n")
        items = write(tmp_path / "items.csv", "id,title,plot\na,Apple,Falls.\n")
        columns = ItemColumns(item_id="id", text=("plot",), image="img/{id}.png")
        data = imported(tmp_path, "table", log, items=items, item_columns=columns)
        assert data.items.rows() == [("a", "Apple", str(tmp_path / "img" / "a.png"), "Falls.")]

    def test_missing_columns_come_all_at_once_with_suggestions(self, tmp_path: Path) -> None:
        file = write(tmp_path / "log.csv", "usr,movie\nu,a\n")
        with pytest.raises(DataError, match="Did you mean 'usr'") as caught:
            imported(tmp_path, "table", file, columns=Columns(user_id="user", item_id="film", timestamp="when"))
        assert len(caught.value.problems) == 3

    def test_a_template_over_an_unknown_column(self, tmp_path: Path) -> None:
        log = write(tmp_path / "log.csv", "user_id,item_id\nu,a\n")
        items = write(tmp_path / "items.csv", "item_id,title\na,Apple\n")
        with pytest.raises(DataError, match="names 'movie'"):
            imported(tmp_path, "table", log, items=items, item_columns=ItemColumns(image="{movie}.png"))

    def test_rows_too_long_and_bytes_that_are_no_text_are_named(self, tmp_path: Path) -> None:
        file = tmp_path / "log.csv"
        file.write_bytes(b"user_id,item_id\nu,a\nu,b,c\nu,\xe9\n")
        with pytest.raises(DataError, match="2 problems") as caught:
            imported(tmp_path, "table", file)
        assert "1 rows are not UTF-8: row 4." in caught.value.problems[0]
        assert "1 rows have more than the 2 fields of the first: row 3." in caught.value.problems[1]

    @pytest.mark.parametrize(
        ("name", "content"), [("log.csv", b""), ("log.parquet", b"PAR"), ("log.csv.gz", b"no")]
    )
    def test_files_that_are_not_what_their_name_says(self, tmp_path: Path, name: str, content: bytes) -> None:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match="cannot be read"):
            imported(tmp_path, "table", tmp_path / name)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"source": "table"}, "needs the file or folder"),
        ({"source": "movielens", "columns": {"user_id": "u"}}, "leave them out: columns"),
        ({"source": "kuaisar", "path": "x", "items": "y"}, "leave them out: items"),
    ],
)
def test_settings_that_do_not_fit_the_source(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DataConfig.model_validate(settings)


def test_a_second_run_is_up_to_date_until_the_file_changes(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    file = write(tmp_path / "log.csv", "user_id,item_id\nu,a\n")
    first = imported(tmp_path, "table", file).manifest
    assert imported(tmp_path, "table", file).manifest == first
    assert "is up to date" in capsys.readouterr().err
    write(file, "user_id,item_id\nu,b\n")
    assert imported(tmp_path, "table", file).manifest.digest != first.digest


def _in_order(folder: Path, source: str, log: dict[str, list[str]]) -> Path:
    """Write sequences in a source's own files; return what data.path must be."""
    items = sorted({item for row in log.values() for item in row})
    if source == "sequences":
        return write(folder / "log.seq.txt", "".join(f"{user} {' '.join(row)}\n" for user, row in log.items()))
    if source == "minionerec":
        write(folder / "partial_sequences.json", json.dumps(log))
        write(folder / "items.json", json.dumps({item: {"title": item, "description": "x"} for item in items}))
        return folder
    write(folder / "item_map.json", json.dumps({item: [item, 0] for item in items}))
    lines = [f"{user} {' '.join(f'{item}|1500000000' for item in row)}\n" for user, row in log.items()]
    write(
        folder / "ab_preprocessed.txt", "".join(lines)
    )  # all at one moment, so that only the line tells the order
    return folder


@pytest.mark.parametrize("source", ["sequences", "minionerec", "abxi"])
def test_many_sequences_keep_their_order(source: str, tmp_path: Path, rng: np.random.Generator) -> None:
    """Sorting by user and line alone leaves a line's items in any order, where the lines are not sorted already."""
    users = {f"{user}": rng.permutation(500)[: 5 + user % 9] for user in range(4000)}
    log = {user: [f"{item}" for item in row] for user, row in users.items()}
    data = imported(tmp_path, source, _in_order(tmp_path, source, log))
    found = data.interactions.group_by("user_id", maintain_order=True).agg("item_id")
    assert dict(found.iter_rows()) == log


def test_what_an_importer_made_before_its_rows_changed_is_made_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _in_order(tmp_path, "sequences", {"u": ["3", "1", "2"]})
    with monkeypatch.context() as before:
        before.setattr(importers, "REVISIONS", {})
        imported(tmp_path, "sequences", path)
    imported(tmp_path, "sequences", path)
    assert "up to date" not in capsys.readouterr().err
    imported(tmp_path, "sequences", path)
    assert "up to date" in capsys.readouterr().err
