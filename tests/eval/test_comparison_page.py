"""The comparison of several runs: one page that needs nothing else, and the same data as JSON and CSV."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import polars as pl
import pytest

from genrec.errors import ArtifactError
from genrec.runs import new_artifact
from genrec_eval.report import write_comparison
from genrec_eval.report.compared import compare_runs
from genrec_eval.report.comparison_figures import looks
from genrec_eval.report.findings import find
from tests.eval.evaluations import example, write_run

NASTY = "<script>alert('$x_1$')</script> & Söhne"
LOG = [{"step": step, "eval_ndcg@10": step / 100, "eval_recall@10": step / 50} for step in (1, 2, 3)]
GOOD, POOR = [1] * 30 + [0] * 10, [1] * 10 + [0] * 30


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two runs: they kept one user in common, and only the first has a training log."""
    folder = tmp_path_factory.mktemp("comparison")
    first = [example(1, ["i003"]), example(0, [NASTY, "i002"], hit=1)]
    second = [example(5, ["i001"]), example(0, ["i002", "i001"], hit=0)]
    one = write_run(folder / "one", {"generator": POOR, "ease": POOR}, examples=first, log=LOG)
    two = write_run(folder / "two & more", {"generator": GOOD, "ease": POOR}, examples=second)
    pl.DataFrame({"user_id": [f"u{user:03}" for user in range(40)], "sex": ["f", "m"] * 20}).write_parquet(
        one / "dataset" / "users.parquet"
    )
    return [one, two]


@pytest.fixture(scope="module")
def folder(runs: list[Path]) -> Path:
    return Path(write_comparison(runs)["report"]).parent


@pytest.fixture(scope="module")
def page(folder: Path) -> str:
    return (folder / "comparison.html").read_text(encoding="utf-8")


def test_it_says_who_is_best_and_of_whom_that_is_known(runs: list[Path], tmp_path: Path, page: str) -> None:
    found = write_comparison(runs, tmp_path / "out", "ease")
    assert found["reference"] == "ease"
    assert (found["above"], found["below"]) == (["two & more"], [])
    assert found["best"] == "two & more, ndcg@5 0.7500"
    assert "is two &amp; more (0.7500), significantly above every other." in page


def test_only_significant_figures_are_marked(page: str) -> None:
    rows = dict(re.findall(r'<th scope="row">([^<]*)(.*?)</tr>', page, re.DOTALL)[:3])
    assert rows["two &amp; more"].count("▲</span><span") == 2
    assert "significantly above the reference" in rows["two &amp; more"]
    assert "significantly" not in rows["ease"] + rows["one "]


def test_every_part_is_there(page: str) -> None:
    labels = re.findall(r'aria-label="([^"]*)"', page)
    assert labels == [
        "NDCG@5: difference from one", "Recall@5: difference from one",
        "Recall at every cut-off", "NDCG at every cut-off",
        "Share of targets found, by item popularity", "Share of targets found, by user activity",
        "Accuracy and diversity",
        "Recall on the validation part", "NDCG on the validation part",
    ]  # fmt: skip
    assert page.count('class="heat"') == 4  # one a model, and the profile
    assert "By sex" in page


def test_the_same_users_stand_side_by_side(folder: Path, page: str) -> None:
    examples = json.loads((folder / "comparison.json").read_text(encoding="utf-8"))["examples"]
    assert [row["user_id"] for row in examples] == ["u000", "u001", "u005"]
    assert list(examples[0]["lists"]) == ["one", "two & more"]
    assert examples[0]["places"] == {"two & more": [1], "one": [1], "ease": [1]}
    assert page.count('<li class="hit">') == 2
    assert page.count("<article><h4>") + page.count("<article>\n<h3>") == 6


def test_it_loads_nothing_and_escapes_what_users_wrote(page: str) -> None:
    assert "http://" not in page
    assert "https://" not in page
    assert not re.search(r"<(script|link|img|iframe|object|embed)\b|@import|src=", page)
    assert "&lt;script&gt;alert(" in page
    assert all(found.startswith("#") for found in re.findall(r'(?:href="|url\()([^")]*)', page))


def test_colours_come_from_the_page_and_ids_do_not_clash(page: str) -> None:
    assert "#01010" not in page
    assert set(re.findall(r"var\((--[\w-]+)\)", page)) <= set(re.findall(r"(--[\w-]+):", page))
    used = set(re.findall(r'(?:href="|url\()#([^")]*)', page))
    assert used
    assert all(page.count(f'id="{name}"') == 1 for name in used)


def test_json_and_csv_say_the_same(folder: Path) -> None:
    data = json.loads((folder / "comparison.json").read_text(encoding="utf-8"))
    metrics = pl.read_csv(folder / "metrics.csv")
    row = metrics.row(by_predicate=(pl.col("model") == "two & more") & (pl.col("metric") == "recall@5"), named=True)
    test = next(row for row in data["differences"]["recall@5"] if row["other"] == "two & more")
    assert (row["value"], row["difference"], row["significant"]) == (0.75, 0.5, True)
    assert row["p_holm"] == pytest.approx(test["p_holm"], abs=1e-6)
    assert metrics.filter(pl.col("model") == "one")["p"].null_count() == 6
    curves = pl.read_csv(folder / "curves.csv").filter(pl.col("model") == "one", pl.col("metric") == "recall")
    assert curves["value"].to_list() == pytest.approx(data["curves"]["recall"]["one"])
    groups = pl.read_csv(folder / "groups.csv")
    assert groups.filter(pl.col("group") == "sex")["targets"].to_list() == [20] * 6
    assert set(groups["model"]) == {"one", "two & more", "ease"}


def test_a_generator_that_was_trained_again_has_no_learning_curve(runs: list[Path], tmp_path: Path) -> None:
    assert list(find(compare_runs(runs)).learning["ndcg"]) == ["one"]
    again = shutil.copytree(runs[0], tmp_path / "again")
    with new_artifact(again / "generator", "generator", {}) as draft:
        (draft.path / "training_log.json").write_text(json.dumps({"log": LOG[:1]}))
    assert find(compare_runs([again, runs[1]])).learning == {}


def test_a_folder_of_ones_own_is_not_replaced(runs: list[Path], tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ArtifactError):
        write_comparison(runs, tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_no_two_models_look_alike() -> None:
    drawn = looks([str(at) for at in range(30)])
    assert len({(look.colour, look.dash) for look in drawn.values()}) == 30
    assert len({(look.colour, look.marker) for look in drawn.values()}) == 30


@pytest.mark.slow
def test_it_fits_a_phone_in_a_browser(folder: Path) -> None:
    driver = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("there is no chromium on the path")
    with driver.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 360, "height": 740}, color_scheme="dark")
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto((folder / "comparison.html").as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") == 360
        assert len(asked) == 1
        browser.close()
