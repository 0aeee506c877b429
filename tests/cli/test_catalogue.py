"""``genrec catalogue`` as a person runs it, and what ``genrec recommend`` makes of it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest

from genrec.cli.app import main
from genrec.runs import new_artifact, open_artifact
from genrec.semantic_ids import Catalogue, CatalogueStore
from genrec_tokenizers.config import TokenizeConfig
from genrec_tokenizers.make import make_semantic_ids


@dataclass(frozen=True)
class Done:
    """What a call came to."""

    returncode: int
    stdout: str
    stderr: str

    @property
    def json(self) -> dict:
        return json.loads(self.stdout.splitlines()[-1])


Call = Callable[..., Done]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with a dataset of 12 items and IDs of their behaviour."""
    run = tmp_path_factory.mktemp("catalogue") / "run"
    log = [
        (f"u{user:02}", f"i{(user * 3 + step * (1 + user % 2)) % 12:02}") for user in range(30) for step in range(8)
    ]
    users, chosen = zip(*log, strict=True)
    items = sorted(set(chosen))
    columns = {"user_id": users, "item_id": chosen, "timestamp": range(len(log)), "split": ["train"] * len(log)}
    with new_artifact(run / "dataset", "dataset", {}) as draft:
        pl.DataFrame({"item_id": items, "title": [f"Film {item}" for item in items]}).write_parquet(
            draft.path / "items.parquet"
        )
        pl.DataFrame(columns).write_parquet(draft.path / "interactions.parquet")
    config = {
        "encoders": {"text": {"weight": 0}, "behavior": {"dim": 4}},
        "quantizer": {"levels": 2, "codebook_size": 4},
    }
    make_semantic_ids(TokenizeConfig.model_validate(config), run, seed=0)
    return run


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    """A copy of the run folder, to be changed."""
    import shutil

    return Path(shutil.copytree(made, tmp_path / "run"))


@pytest.fixture
def genrec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Call the real main()."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def call(*words: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["genrec", *words])
        with pytest.raises(SystemExit) as stop:
            main()
        code = stop.value.code
        return Done(code if isinstance(code, int) else 0, *capsys.readouterr())

    return call


@pytest.fixture
def new_items(tmp_path: Path) -> str:
    """A file of two new items."""
    (tmp_path / "new.csv").write_text("item_id,title\nn1,First new\nn2,Second new\n")
    return "new.csv"


def test_a_whole_life(genrec: Call, run: Path, new_items: str) -> None:
    done = genrec("catalogue", "add", new_items, "--run", str(run), "--note", "spring")
    assert done.returncode == 0, done.stderr
    assert "2 items added" in done.stdout
    assert "First new" in done.stdout
    assert "Version 2 is current: 14 items, 0 retired IDs." in done.stdout
    assert f"genrec catalogue rollback 1 --run {run}" in done.stdout
    assert "2 items have nothing that an encoder knows" in done.stderr

    done = genrec("catalogue", "remove", "n1", "i03", "--run", str(run))
    assert "2 items removed" in done.stdout
    assert "Version 3 is current: 12 items, 2 retired IDs." in done.stdout

    done = genrec("catalogue", "diff", "--run", str(run))
    assert "From version 2 (14 items) to 3 (12 items)" in done.stdout
    assert "0 items added" in done.stdout
    assert "Film i03" in done.stdout

    done = genrec("catalogue", "rollback", "2", "--run", str(run))
    assert "2 items added" in done.stdout
    assert "Version 4 is current: 14 items" in done.stdout

    done = genrec("catalogue", "history", "--run", str(run))
    lines = [line.split() for line in done.stdout.splitlines() if line.strip()]
    assert [line[:2] for line in lines if line[0].isdigit()] == [
        ["1", "tokenize"],
        ["2", "add"],
        ["3", "remove"],
        ["4", "rollback"],
    ]
    assert "spring" in done.stdout


def test_json_says_the_same(genrec: Call, run: Path, new_items: str) -> None:
    added = genrec("catalogue", "add", new_items, "--run", str(run), "--json").json
    assert [row["item_id"] for row in added["added"]] == ["n1", "n2"]
    assert added["version"]["number"] == 2
    catalogue = CatalogueStore(run).snapshot().catalogue
    assert added["added"][0]["semantic_id"] == catalogue.sid(catalogue.index_of["n1"])
    removed = genrec("catalogue", "remove", "n2", "--run", str(run), "--json").json
    assert [row["title"] for row in removed["removed"]] == ["Second new"]
    diff = genrec("catalogue", "diff", "1", "3", "--run", str(run), "--json").json
    assert ([row["item_id"] for row in diff["added"]], diff["removed"], diff["moved"]) == (["n1"], [], [])
    back = genrec("catalogue", "rollback", "1", "--run", str(run), "--json").json
    assert back["version"]["digest"] == CatalogueStore(run).history()[0].digest
    assert [row["item_id"] for row in back["removed"]] == ["n1"]
    history = genrec("catalogue", "history", "--run", str(run), "--json").json
    assert history["current"] == 4
    assert [version["items"] for version in history["versions"]] == [12, 14, 13, 12]


def test_a_moved_id_is_shown_with_the_earlier_one(genrec: Call, run: Path) -> None:
    store = CatalogueStore(run)

    def swapped(before: object) -> Catalogue:
        old = before.catalogue  # type: ignore[attr-defined]
        codes = old.codes.copy()
        codes[[0, 1]] = codes[[1, 0]]
        return Catalogue(old.item_ids, codes, old.codebook_sizes, old.titles)

    store.change("swap", swapped)
    moved = genrec("catalogue", "diff", "--run", str(run), "--json").json["moved"]
    assert [row["item_id"] for row in moved] == ["i00", "i01"]
    assert moved[0]["semantic_id"] == moved[1]["earlier_semantic_id"]
    assert "(was <a_" in genrec("catalogue", "diff", "--run", str(run)).stdout


@pytest.mark.parametrize("words", [("add", "new.csv"), ("remove", "i03"), ("rollback", "1")])
def test_a_dry_run_says_what_would_happen_and_writes_nothing(
    genrec: Call, run: Path, new_items: str, words: tuple[str, ...]
) -> None:
    del new_items
    done = genrec("catalogue", *words, "--run", str(run), "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "would be" in done.stdout
    assert "current" not in done.stdout
    assert not (run / "catalogue").exists()


def test_items_to_remove_can_stand_in_a_file(genrec: Call, run: Path, tmp_path: Path) -> None:
    (tmp_path / "gone.txt").write_text("i03\n\n i04 \n")
    done = genrec("catalogue", "remove", "i05", "--file", "gone.txt", "--run", str(run))
    assert "3 items removed" in done.stdout
    assert CatalogueStore(run).snapshot().retired.item_ids == ["i03", "i04", "i05"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("remove",), "No item was named"),
        (("remove", "i3"), "Unknown item 'i3'. Did you mean 'i03'"),
        (("remove", "--file", "none.txt"), "none.txt cannot be read"),
        (("add", "none.csv"), "There is no file none.csv"),
        (("add", "twice.csv"), "'i03'"),
        (("rollback", "9"), "Unknown version '9'"),
        (("diff", "4"), "Unknown version '4'"),
    ],
)
def test_mistakes_are_one_message_and_code_2(
    genrec: Call, run: Path, tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    (tmp_path / "twice.csv").write_text("item_id,title\ni03,There already\n")
    done = genrec("catalogue", *words, "--run", str(run))
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert not (run / "catalogue").exists()


@pytest.mark.parametrize("action", ["add", "remove", "diff", "history", "rollback"])
def test_every_action_has_a_help_page_with_an_example_and_names_the_missing_stage(
    genrec: Call, new_items: str, action: str
) -> None:
    page = genrec("catalogue", action, "--help")
    assert f"genrec catalogue {action}" in page.stdout.split("Example:")[1]
    words = {"add": [new_items], "remove": ["i03"], "rollback": ["1"]}.get(action, [])
    done = genrec("catalogue", action, *words, "--run", "runs/none")
    assert done.returncode == 2
    assert "genrec tokenize --run runs/none" in done.stderr


def write_generator(run: Path) -> None:
    """A random generator over the run's IDs, as ``genrec train`` would leave it."""
    import torch

    from genrec.models import DecoderConfig, Generator, build_decoder

    torch.manual_seed(0)
    catalogue = Catalogue.load(run / "semantic_ids")
    shape = DecoderConfig(hidden_size=8, intermediate_size=8, layers=1, heads=1)
    model = build_decoder(shape, catalogue.vocabulary, 64)
    ids = open_artifact(run / "semantic_ids", "semantic_ids").digest
    with new_artifact(run / "generator", "generator", {}, {"semantic_ids": ids}) as draft:
        Generator(model, catalogue, 10).save_pretrained(draft.path)


def recommended(done: Done) -> set[str]:
    assert done.returncode == 0, done.stderr
    return {row["item_id"] for row in done.json["items"]}


def test_recommend_serves_the_current_version(genrec: Call, run: Path, new_items: str) -> None:
    write_generator(run)
    ask = ("recommend", "--run", str(run), "--user", "u00", "--k", "20", "--allow-seen", "--json")
    first = genrec(*ask)
    assert recommended(first) == {f"i{item:02}" for item in range(12)}
    assert "Catalogue version" not in first.stderr
    genrec("catalogue", "add", new_items, "--run", str(run))
    genrec("catalogue", "remove", "i03", "--run", str(run))
    done = genrec(*ask)
    assert recommended(done) == recommended(first) - {"i03"} | {"n1", "n2"}
    assert "Catalogue version 3 (remove), 13 items." in done.stderr
    assert "Not in the catalogue and left out: 1 of 8 items: 'i03'." in done.stderr
    assert "i03" not in done.json["history"]
    assert {"n1", "n2"} <= recommended(genrec(*ask, "--k", "3", "--new-places", "2"))


def test_recommend_leaves_versions_aside_that_the_generator_does_not_know(genrec: Call, run: Path) -> None:
    write_generator(run)
    genrec("catalogue", "remove", "i03", "--run", str(run))
    with new_artifact(run / "generator", "generator", {}, {"semantic_ids": "of another time"}) as draft:
        import shutil

        for place in (run / "generator").iterdir():
            if place.name != "manifest.json":
                (shutil.copytree if place.is_dir() else shutil.copy)(place, draft.path / place.name)
    done = genrec("recommend", "--run", str(run), "--history", "i03", "--k", "20", "--json")
    assert "hold other IDs than this generator was trained on" in done.stderr
    assert len(recommended(done)) == 11
