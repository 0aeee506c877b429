"""``genrec recommend`` as a person types it: items and sessions, users and histories."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest
import torch

from genrec.cli.app import main
from genrec.data import Dataset
from genrec.data.features import Features
from genrec.models import DecoderConfig, LanguageConfig, ModelConfig, build_generator
from genrec.models.onerec.config import EncoderDecoderConfig, LazyDecoderConfig
from genrec.models.tiger.config import T5Config
from genrec.runs import new_artifact
from genrec.semantic_ids import Catalogue
from tests.decoding.worlds import random_codes
from tests.models.language.tiny import write_base

SHAPE = {"hidden_size": 8, "intermediate_size": 8, "heads": 2}
CONFIGS: dict[str, ModelConfig] = {
    "decoder": DecoderConfig(hidden_size=8, intermediate_size=8, layers=1, heads=2),
    "encoder_decoder": EncoderDecoderConfig(**SHAPE),
    "lazy_decoder": LazyDecoderConfig(**SHAPE),
    "t5": T5Config(**SHAPE, layers=1, head_size=4),
}


@dataclass(frozen=True)
class Done:
    """What a call came to."""

    returncode: int
    stdout: str
    stderr: str

    @property
    def json(self) -> dict:
        return json.loads(self.stdout.splitlines()[-1])


KINDS = [*CONFIGS, "language"]
Call = Callable[..., Done]


@pytest.fixture
def recommend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Call the real main() in a folder with the run ``run``."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def call(*words: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["genrec", "recommend", "--run", "run", *words])
        with pytest.raises(SystemExit) as exit_:
            main()
        shown = capsys.readouterr()
        return Done(int(exit_.value.code or 0), shown.out, shown.err)

    return call


def write_run(run: Path, kind: str, session: int = 3, names: tuple[str, ...] = ()) -> None:
    """A run with one user, 12 items and a random generator."""
    import numpy as np

    items = [f"i{row:02}" for row in range(12)]
    seen = ["i03", "i05", "gone", "i07"]
    log = {"user_id": ["ann"] * 4, "item_id": seen, "timestamp": [1, 2, 3, 4], "split": ["train"] * 4}
    with new_artifact(run / "dataset", "dataset", {}) as draft:
        draft.details["time_unit"] = "ordinal"
        known = pl.DataFrame({"item_id": sorted([*items, "gone"])})
        known.with_columns(title=pl.format("Film [{}]", "item_id")).write_parquet(draft.path / "items.parquet")
        pl.DataFrame({**log, "behavior": ["view", "like", "view", "like"]}).write_parquet(
            draft.path / "interactions.parquet"
        )
    codes = random_codes((4, 4), 12, np.random.default_rng(0))
    catalogue = Catalogue(items, codes, (4, 4), [f"Film [{item}]" for item in items])
    features = Features.fit(Dataset.load(run / "dataset"), names) if names else None
    torch.manual_seed(0)
    if kind == "language":
        generator = build_generator(LanguageConfig(base=str(write_base(run / "base"))), catalogue, 10)
    else:
        generator = build_generator(CONFIGS[kind], catalogue, 10, session_length=session, features=features)
    with new_artifact(run / "generator", "generator", {}) as draft:
        generator.save_pretrained(draft.path)


@pytest.mark.parametrize("kind", KINDS)
def test_a_session_has_other_items_than_the_history_each_once(kind: str, recommend: Call, tmp_path: Path) -> None:
    write_run(tmp_path / "run", kind)
    done = recommend("--user", "ann", "--session", "3", "--json")
    assert done.returncode == 0, done.stderr
    assert "left out: 1 of 4 items: 'gone'." in done.stderr
    assert done.json["history"] == ["i03", "i05", "i07"]
    [session] = done.json["sessions"]
    chosen = [row["item_id"] for row in session["items"]]
    assert len(set(chosen) - {"i03", "i05", "i07"}) == 3
    assert session["score"] == pytest.approx(sum(row["score"] for row in session["items"]), abs=1e-3)
    several = recommend("--user", "ann", "--session", "3", "--k", "4", "--json").json["sessions"]
    assert several[0] == session
    assert len({frozenset(row["item_id"] for row in one["items"]) for one in several}) == 4


@pytest.mark.parametrize("kind", KINDS)
def test_items_are_ranked_and_shown_with_titles(kind: str, recommend: Call, tmp_path: Path) -> None:
    write_run(tmp_path / "run", kind)
    done = recommend("--history", "i01,i02", "--k", "4", "--json")
    scores = [row["score"] for row in done.json["items"]]
    assert len(scores) == 4
    assert scores == sorted(scores, reverse=True)
    assert not {"i01", "i02"} & {row["item_id"] for row in done.json["items"]}
    shown = recommend("--history", "i01,i02", "--k", "4").stdout
    assert "History of 2 items, the latest: Film [i01]; Film [i02]" in shown
    assert shown.count("Film [") == 6


def test_sessions_are_shown_as_one_table_each(recommend: Call, tmp_path: Path) -> None:
    write_run(tmp_path / "run", "encoder_decoder")
    lines = recommend("--history", "i01", "--session", "2", "--k", "2").stdout.splitlines()
    headings = [line for line in lines if line.startswith("Session")]
    assert [heading.split(",")[0] for heading in headings] == ["Session 1", "Session 2"]
    assert all(float(heading.split()[-1]) < 0 for heading in headings)
    assert sum("Film [" in line for line in lines) == 1 + 4


@pytest.mark.parametrize("kind", KINDS)
def test_unknown_items_are_left_out_and_counted(kind: str, recommend: Call, tmp_path: Path) -> None:
    write_run(tmp_path / "run", kind)
    done = recommend("--history", "i1,i02,nothing", "--json")
    assert done.returncode == 0, done.stderr
    assert "left out: 2 of 3 items: 'i1', 'nothing'. Did you mean 'i1" in done.stderr
    assert done.json["history"] == ["i02"]
    assert done.json["items"] == recommend("--history", "i02", "--json").json["items"]


@pytest.mark.parametrize("kind", KINDS)
def test_no_history_gets_the_cold_start_answer(kind: str, recommend: Call, tmp_path: Path) -> None:
    write_run(tmp_path / "run", kind)
    done = recommend("--history", "", "--session", "2", "--json")
    assert done.returncode == 0, done.stderr
    assert len(done.json["sessions"][0]["items"]) == 2
    assert recommend("--history", "nothing", "--session", "2", "--json").json == done.json
    assert "none: the cold-start answer" in recommend("--history", "").stdout


def test_a_user_is_read_with_the_features_of_the_log(recommend: Call, tmp_path: Path) -> None:
    write_run(tmp_path / "run", "lazy_decoder", names=("behavior",))
    of_user = recommend("--user", "ann", "--json").json
    typed = recommend("--history", "i03,i05,i07", "--json").json
    assert of_user["history"] == typed["history"]
    assert of_user["items"] != typed["items"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--user", "ann", "--session", "4"), "sessions of 3 items, not sessions of 4"),
        (("--user", "ann", "--session", "2", "--new-places", "1"), "not in a session"),
        (("--user", "bob", "--session", "2"), "Unknown user 'bob'"),
        ((), "either --user or --history or --titles"),
        (("--user", "ann", "--titles", "Film"), "either --user or --history or --titles"),
    ],
)
def test_mistakes_are_one_message_and_code_2(
    recommend: Call, tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    write_run(tmp_path / "run", "encoder_decoder")
    done = recommend(*words)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("kind", KINDS)
def test_titles_that_the_catalogue_has_are_the_history_of_their_items(
    kind: str, recommend: Call, tmp_path: Path
) -> None:
    write_run(tmp_path / "run", kind)
    done = recommend("--titles", "Film [i03]; film  [I05];Flm [i07]", "--json")
    assert done.returncode == 0, done.stderr
    assert done.json["history"][:2] == ["i03", "i05"]
    assert [one["given"] for one in done.json["titles"]] == ["Film [i03]", "film  [I05]", "Flm [i07]"]
    assert [one["item_id"] for one in done.json["titles"]] == done.json["history"]
    assert "'film  [I05]' was taken for 'Film [i05]'." in done.stderr
    assert "'Film [i03]' was taken" not in done.stderr
    typed = recommend("--history", ",".join(done.json["history"]), "--json").json
    assert done.json["items"] == typed["items"]
    assert len(recommend("--titles", "Film [i03]", "--session", "2", "--json").json["sessions"][0]["items"]) == 2


@pytest.mark.parametrize("kind", KINDS)
def test_unknown_titles_are_text_for_a_language_model_and_left_out_for_others(
    kind: str, recommend: Call, tmp_path: Path
) -> None:
    write_run(tmp_path / "run", kind)
    done = recommend("--titles", "film [I03]; Something else entirely", "--json")
    assert done.returncode == 0, done.stderr
    assert done.json["history"] == ["i03"]
    unknown = {"given": "Something else entirely", "item_id": None, "title": None}
    assert done.json["titles"] == [{"given": "film [I03]", "item_id": "i03", "title": "Film [i03]"}, unknown]
    assert "i03" not in {row["item_id"] for row in done.json["items"]}
    as_text = kind == "language"
    what = "given to the model as text" if as_text else "left out"
    assert f"Not in the catalogue and {what}: 1 of 2 titles: 'Something else entirely'." in done.stderr
    typed = recommend("--history", "i03", "--json").json
    assert (done.json["items"] == typed["items"]) == (not as_text)
    shown = recommend("--titles", "film [I03]; Something else entirely").stdout.splitlines()[0]
    latest = (
        "2 items, the latest: Film [i03]; Something else entirely" if as_text else "1 items, the latest: Film [i03]"
    )
    assert shown == f"History of {latest}"
    session = recommend("--titles", "film [I03]; Something else entirely", "--session", "2", "--json")
    assert "left out: 1 of 2 titles" in session.stderr
