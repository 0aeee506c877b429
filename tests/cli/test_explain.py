"""``genrec recommend --explain`` and ``--ahead``, and ``genrec think``, as a person types them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from genrec.cli.app import main
from genrec.decoding.resemblance import resemblance
from genrec.decoding.think import thought_form
from genrec.models import DecoderConfig, build_generator
from genrec.runs import new_artifact, open_artifact
from genrec.semantic_ids import Catalogue
from tests.alignment.reasoning.test_rationales import ITEMS, write_run
from tests.cli.test_recommend import Done
from tests.models.language.tiny import tiny_generator

Call = Callable[..., Done]


@pytest.fixture
def genrec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Call the real main() in a folder with the run ``run``."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def call(*words: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["genrec", *words])
        with pytest.raises(SystemExit) as exit_:
            main()
        shown = capsys.readouterr()
        return Done(int(exit_.value.code or 0), shown.out, shown.err)

    return call


def write_generator(run: Path, base: Path | None, thinks: bool = False) -> None:
    """A generator over the run's IDs: of a language model where a base folder is given."""
    catalogue = Catalogue.load(run / "semantic_ids")
    inputs = {name: open_artifact(run / name, name).digest for name in ("dataset", "semantic_ids")}
    config = DecoderConfig(hidden_size=8, intermediate_size=8, layers=1)
    generator = tiny_generator(base, catalogue=catalogue) if base else build_generator(config, catalogue, 6)
    with new_artifact(run / "generator", "generator", {}, inputs) as draft:
        generator.save_pretrained(draft.path)
        if thinks:
            assert generator.language is not None
            thought_form(generator.language.chat, generator.vocabulary).save(draft.path)


def test_a_resemblance_by_hand() -> None:
    codes = np.array([[0, 0, 0], [0, 0, 1], [0, 1, 0], [1, 0, 0], [0, 1, 1]])
    terms = [["War"], ["Love", "War"], ["Love"], ["Love"], ["War", "Love", "Art"]]
    found = resemblance(codes, np.array([0, 2, 1, 3, 2]), 4, terms)
    assert found.items == [2, 1, 0]  # two codes alike, then one, the later first; item 3 begins otherwise
    assert found.codes == [2, 1, 1]
    assert found.terms == ["Love", "War"]  # three items of the history are of love, two of war, none of art
    assert resemblance(codes, np.array([], dtype=int), 4, terms) == ([], [], [])
    assert resemblance(codes, np.array([2]), 4, None).terms == []


def test_a_model_that_does_not_think_gets_an_honest_explanation(genrec: Call, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    write_generator(run, None)
    words = ("recommend", "--run", "run", "--user", "ann", "--k", "3")
    plain, explained = genrec(*words, "--json").json, genrec(*words, "--explain", "--json").json
    assert [row | {"why": 0} for row in plain["items"]] == [row | {"why": 0} for row in explained["items"]]
    assert explained["explanation"]["kind"] == "resemblance"
    assert "not how the model" in explained["explanation"]["note"]
    catalogue, history = Catalogue.load(run / "semantic_ids"), [0, 1, 2, 5, 7, 8]
    for row in explained["items"]:
        item = ITEMS.index(row["item_id"])
        like = {one["item_id"]: one["shared_codes"] for one in row["why"]["like"]}
        for other in history:
            same = int(np.logical_and.accumulate(catalogue.codes[other] == catalogue.codes[item]).sum())
            assert like.get(ITEMS[other], 0) in (same, 0)
        assert set(row["why"]["terms"]) <= {"War", "Drama", "Love"}
        assert row["why"]["text"]
    shown = genrec(*words, "--explain")
    assert shown.returncode == 0, shown.stderr
    assert "Why (what each item and the history have in common; this is not how" in shown.stdout
    assert shown.stdout.count(explained["items"][0]["why"]["text"]) >= 1


def test_a_model_that_thinks_shows_its_thought(genrec: Call, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    write_generator(run, tmp_path / "base", thinks=True)
    words = ("recommend", "--run", "run", "--history", "i0,i1", "--k", "3", "--explain")
    done = genrec(*words, "--json")
    assert done.returncode == 0, done.stderr
    assert done.json["explanation"]["kind"] == "thought"
    [thought] = done.json["explanation"]["thoughts"]
    assert [row["why"] for row in done.json["items"]] == [{"thought": 0}] * 3
    assert not {row["item_id"] for row in done.json["items"]} & {"i0", "i1"}
    shown = genrec(*words).stdout
    assert "Thought (what the model wrote before it chose):" in shown
    assert thought in shown
    write_generator(run, tmp_path / "base")  # the same model, but nothing says that it was trained to think
    assert genrec(*words, "--json").json["explanation"]["kind"] == "resemblance"


def test_rationales_are_written_once(genrec: Call, tmp_path: Path) -> None:
    write_run(tmp_path / "run")
    words = ("think", "rationales", "--run", "run", "think.rationales.items=2", "--json")
    done = genrec(*words)
    assert done.returncode == 0, done.stderr
    assert done.json == {"rationales": "run/rationales", "targets": 5} | {"rationales": 4}
    assert "is up to date" in genrec(*words).stderr
    assert "rationales" in genrec("think", "rationales", "--run", "run", "--dry-run").stdout
    missing = genrec("think", "rationales", "--run", "nowhere")
    assert missing.returncode == 2
    assert "Make it first: genrec data --run nowhere" in missing.stderr


def test_what_was_prepared_is_served(genrec: Call, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    write_generator(run, tmp_path / "base", thinks=True)
    settings = ("think.ahead.tokens=3", "think.ahead.prefixes=1", "think.ahead.thoughts=1", "think.ahead.users=2")
    done = genrec("think", "ahead", "--run", "run", *settings, "--json")
    assert done.returncode == 0, done.stderr
    assert (done.json["users"], done.json["prefixes"]) == (2, 2)
    write_generator(run, None)  # another, smaller model serves
    served = genrec("recommend", "--run", "run", "--user", "ann", "--k", "3", "--ahead", "--json")
    assert served.returncode == 0, served.stderr
    assert "1 of the items lie below what was prepared" in served.stderr or "2 of" in served.stderr
    assert len(served.json["items"]) == 3
    unprepared = genrec("recommend", "--run", "run", "--user", "cat", "--k", "3", "--ahead", "--json")
    assert "0 of the items lie below" in unprepared.stderr
    assert (
        unprepared.json["items"]
        == genrec("recommend", "--run", "run", "--user", "cat", "--k", "3", "--json").json["items"]
    )
    with new_artifact(run / "semantic_ids", "semantic_ids", {}) as draft:
        catalogue = Catalogue.load(run / "generator" / "catalogue")
        replace(catalogue, titles=["new"] * 9).save(draft.path)
        save_file({"embeddings": np.eye(9, dtype=np.float32)}, draft.path / "embeddings.safetensors")
    stale = genrec("recommend", "--run", "run", "--user", "ann", "--ahead")
    assert stale.returncode == 2
    assert "prepared with other IDs" in stale.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--user", "ann", "--explain", "--session", "2"), "are for lists of items"),
        (("--user", "ann", "--ahead", "--new-places", "1"), "are for lists of items"),
        (("--history", "i1", "--ahead"), "prepared for a --user"),
        (("--user", "ann", "--ahead"), "Make it first: genrec think ahead"),
    ],
)
def test_mistakes_are_one_message(genrec: Call, tmp_path: Path, words: tuple[str, ...], message: str) -> None:
    write_generator(write_run(tmp_path / "run"), None)
    done = genrec("recommend", "--run", "run", *words)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
