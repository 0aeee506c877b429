"""Think-Ahead serving: what is prepared for users, and how a small model searches below it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from genrec.decoding import Recommender
from genrec.decoding.think import AheadConfig, prepare
from genrec.decoding.think.ahead import ThinkAheadRecommender
from genrec.decoding.think.prepare import AheadThinker, prepare_ahead
from genrec.decoding.think.prepared import COUNTS, PreparedPrefixes
from genrec.errors import ArtifactError
from genrec.models import DecoderConfig, Generator, build_generator
from genrec.runs import new_artifact
from genrec.semantic_ids import Catalogue
from tests.models.language.tiny import SIZES, tiny_catalogue, tiny_generator

CATALOGUE = tiny_catalogue()
QUICK = AheadConfig(thoughts=1, temperature=0, tokens=3, prefixes=4, batch_size=2)


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Generator:
    return tiny_generator(tmp_path_factory.mktemp("base"))


@pytest.fixture
def online() -> Generator:
    torch.manual_seed(1)
    return build_generator(DecoderConfig(hidden_size=8, intermediate_size=8, layers=1), CATALOGUE, 5)


def prepared_for(users: dict[str, np.ndarray]) -> PreparedPrefixes:
    offsets = np.cumsum([0, *map(len, users.values())])
    return PreparedPrefixes(list(users), np.concatenate(list(users.values())), offsets, SIZES)


@torch.no_grad()
def score(generator: Generator, prompt: list[int], tokens: np.ndarray) -> float:
    logits = generator.model(torch.tensor([[*prompt, *tokens[:-1].tolist()]])).logits[0, len(prompt) - 1 :]
    return float(logits.log_softmax(-1).gather(1, torch.from_numpy(tokens)[:, None]).sum())


def test_prefixes_are_the_likeliest_beginnings_after_the_thought(slow: Generator) -> None:
    prefixes = np.unique(CATALOGUE.codes[:, :2], axis=0)
    # All items of one beginning are in the history: it is of no use to this user.
    used_up = np.flatnonzero((CATALOGUE.codes[:, :2] == prefixes[3]).all(axis=1))
    thinker = AheadThinker(slow, QUICK.model_copy(update={"prefixes": len(prefixes)}))
    [one] = thinker([used_up], [0])
    [prompt], [text] = thinker.thinker.think([used_up], [0])
    kept = np.delete(prefixes, 3, axis=0)
    scores = [score(slow, prompt, slow.vocabulary.offsets[:2] + prefix) for prefix in kept]
    assert one["thoughts"] == [text]
    assert one["prefixes"].tolist() == kept[np.argsort(-np.array(scores))].tolist()


def test_several_thoughts_give_the_union_of_their_prefixes(slow: Generator) -> None:
    config = AheadConfig(thoughts=3, temperature=2.0, tokens=6, prefixes=3)
    [one] = AheadThinker(slow, config)([np.array([1, 2])], [0])
    assert len(one["thoughts"]) == 3
    assert 3 <= len(one["prefixes"]) <= 9
    assert len(np.unique(one["prefixes"], axis=0)) == len(one["prefixes"])


def test_online_the_items_below_the_prefixes_come_first_as_the_small_model_ranks_them(online: Generator) -> None:
    few, none = CATALOGUE.codes[[0, 5, 9], :2], np.zeros((0, 2), np.int32)
    prepared = prepared_for({"ann": few, "bob": none})
    histories = [np.array([3, 4]), np.array([5]), np.array([1]), np.array([0])]
    exclude = [one[:1] for one in histories]
    found = ThinkAheadRecommender(online, prepared, batch_size=3).recommend(
        ["ann", "bob", "new", "ann"], histories, k=8, beams=30, exclude=exclude
    )
    whole = Recommender(online).recommend(histories, k=30, beams=30, exclude=exclude).items
    for row, user in enumerate(["ann", "bob", "new", "ann"]):
        ranked = whole[row][whole[row] >= 0]
        below = (CATALOGUE.codes[ranked, None, :2] == (few if user == "ann" else none)[None]).all(-1).any(-1)
        wanted = [*ranked[below], *ranked[~below]][:8]
        assert found.ranking.items[row].tolist() == wanted
        assert found.prepared[row] == min(8, below.sum())
    assert 0 < found.prepared[0] < 8  # so that the list was filled up


def test_a_list_that_the_prefixes_fill_takes_one_search(online: Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    served = ThinkAheadRecommender(online, prepared_for({"ann": CATALOGUE.codes[:20, :2]}))
    searches = []
    search = served._search
    monkeypatch.setattr(served, "_search", lambda *args, **how: searches.append(how) or search(*args, **how))
    assert served.recommend(["ann"], [np.array([1])], k=5).prepared.tolist() == [5]
    assert len(searches) == 1


def test_prefixes_of_other_ids_are_refused(online: Generator) -> None:
    wrong = PreparedPrefixes(["ann"], np.zeros((1, 1), np.int32), np.array([0, 1]), (5, 4))
    with pytest.raises(ArtifactError, match="prepared for codebooks of"):
        ThinkAheadRecommender(online, wrong)
    with pytest.raises(ValueError, match="2 users need as many histories"):
        ThinkAheadRecommender(online, prepared_for({"ann": CATALOGUE.codes[:1, :2]})).recommend(["a", "b"], [])


def test_what_is_written_is_read(tmp_path: Path) -> None:
    users = {"ann": CATALOGUE.codes[:3, :2], "bob": np.zeros((0, 2), np.int32), "cat": CATALOGUE.codes[4:5, :2]}
    table = pl.DataFrame(
        {
            "user_id": list(users),
            "thoughts": [["because"], ["none"], ["war", "love"]],
            "prefixes": [one.ravel().tolist() for one in users.values()],
            COUNTS: [len(one) for one in users.values()],
        }
    )
    with new_artifact(tmp_path / "think_ahead", "think_ahead", {}, {"semantic_ids": "abc"}) as draft:
        figures = PreparedPrefixes.write(draft.path, table, SIZES)
    assert figures == {"users": 3, "prefixes": 4, "prefixes_per_user": 4 / 3}
    read = PreparedPrefixes.load(tmp_path / "think_ahead")
    assert read.semantic_ids == "abc"
    assert read.of("dan") is None
    for user, prefixes in users.items():
        np.testing.assert_array_equal(read.of(user), prefixes)
    read.check(CATALOGUE)


def write_run(run: Path, generator: Generator, users: int = 5) -> None:
    """A run of users with three items each, and a language generator."""
    catalogue: Catalogue = generator.catalogue
    rows = [
        (f"u{user}", catalogue.item_ids[(user + step) % 30], step, "train")
        for user in range(users)
        for step in (1, 2, 3)
    ]
    with new_artifact(run / "dataset", "dataset", {}) as draft:
        draft.details["time_unit"] = "ordinal"
        pl.DataFrame({"item_id": catalogue.item_ids, "title": catalogue.titles}).write_parquet(
            draft.path / "items.parquet"
        )
        names = ["user_id", "item_id", "timestamp", "split"]
        pl.DataFrame(rows, schema=names, orient="row").write_parquet(draft.path / "interactions.parquet")
    with new_artifact(run / "semantic_ids", "semantic_ids", {}) as draft:
        catalogue.save(draft.path)
    with new_artifact(run / "generator", "generator", {}) as draft:
        generator.save_pretrained(draft.path)


def test_preparing_goes_on_where_it_was_interrupted(
    slow: Generator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalogue = slow.catalogue.take(np.argsort(slow.catalogue.item_ids))  # as a dataset is sorted
    generator = Generator(slow.model, catalogue, 6, language=slow.language)
    write_run(tmp_path / "run", generator)
    config = QUICK.model_copy(update={"temperature": 1.0})
    prepare_ahead(config, tmp_path / "run", 0)
    whole = PreparedPrefixes.load(tmp_path / "run" / "think_ahead")
    assert whole.user_ids == [f"u{user}" for user in range(5)]
    made, part = [], prepare._part

    def interrupted(thinker: object, dataset: object, users: list[str], seed: list[int]) -> pl.DataFrame:
        if users == ["u2", "u3"] and not made.count("u2"):
            made.append("u2")
            raise KeyboardInterrupt
        made.extend(users)
        return part(thinker, dataset, users, seed)

    monkeypatch.setattr(prepare, "_part", interrupted)
    with pytest.raises(KeyboardInterrupt):
        prepare_ahead(config, tmp_path / "run", 0, force=True)
    assert PreparedPrefixes.load(tmp_path / "run" / "think_ahead").user_ids == whole.user_ids
    prepare_ahead(config, tmp_path / "run", 0, force=True, resume=True)
    assert made == ["u0", "u1", "u2", "u2", "u3", "u4"]
    np.testing.assert_array_equal(PreparedPrefixes.load(tmp_path / "run" / "think_ahead").codes, whole.codes)
    assert not (tmp_path / "run" / "think_ahead.partial").exists()
    assert prepare_ahead(config, tmp_path / "run", 0).inputs.keys() == {"dataset", "semantic_ids", "generator"}
    assert len(made) == 6  # it was current
