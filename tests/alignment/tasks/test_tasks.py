"""What each task makes of a small dataset, by hand."""

from __future__ import annotations

import re

import numpy as np
import polars as pl
import pytest

from genrec.errors import ArtifactError, UnknownNameError
from genrec.models.language import Chat
from genrec.models.language.prompts import CONTINUATION, QUESTION, title_question
from genrec.semantic_ids import Catalogue
from genrec_alignment.tasks import TASKS, Encoder, MixtureConfig, TaskRow, TaskSource
from tests.alignment.tasks.conftest import TITLES, write_dataset

SIDS = ["<a_0><b_0>", "<a_0><b_1>", "<a_0><b_2>", "<a_1><b_0>", "<a_1><b_1>", "<a_1><b_2>"]
ITEM_TASKS = ("title_to_sid", "description_to_sid", "sid_to_title", "sid_to_description", "search")
OWN_TASKS = tuple(name for name in TASKS if name != "reason")  # it needs rationales: tests/alignment/reasoning
LOG_TASKS = tuple(name for name in OWN_TASKS if name not in (*ITEM_TASKS, "plain_text"))


def made(source: TaskSource, name: str, times: int = 1) -> list[TaskRow]:
    task = TASKS[name](source)
    rng = np.random.default_rng(0)
    return [row for _ in range(times) for row in task.rows(rng)]


def sids(*items: int) -> str:
    return "".join(SIDS[item] for item in items)


def test_continue_history_asks_as_the_serving_prompt_does(source: TaskSource) -> None:
    rows = made(source, "continue_history")
    assert [row.prompt for row in rows] == [CONTINUATION] * 3
    assert [row.completion for row in rows] == [sids(0, 1, 2, 1), sids(2), sids(2, 0)]


def test_windows_are_cut_anew_and_cover_a_long_history(dataset, catalogue) -> None:
    source = TaskSource.of(dataset, catalogue, MixtureConfig(), history_length=1)
    rows = made(source, "continue_history", times=30)
    assert len(rows) == 30 * 4  # two visits to the four events of u0
    of_first = {(row.given, row.completion) for row in rows} - {("", sids(2)), ("", sids(2, 0))}
    assert of_first == {("", sids(0, 1)), (sids(1), sids(2)), (sids(2), sids(1))}


def test_next_item_visits_every_event_but_a_users_first(source: TaskSource) -> None:
    rows = made(source, "next_item", times=20)
    pairs = {("".join(re.findall(r"<\w_\d>", row.prompt or "")), row.completion) for row in rows}
    assert pairs == {(sids(0), SIDS[1]), (sids(0, 1), SIDS[2]), (sids(0, 1, 2), SIDS[1]), (SIDS[2], SIDS[0])}
    served = [row.prompt == QUESTION.format(items=sids(2)) for row in rows if row.completion == SIDS[0]]
    assert 0 < sum(served) < len(served)


def test_a_history_is_no_longer_than_asked(dataset, catalogue) -> None:
    source = TaskSource.of(dataset, catalogue, MixtureConfig(title_items=1), history_length=2)
    assert "".join(re.findall(r"<\w_\d>", made(source, "next_item")[2].prompt or "")) == sids(1, 2)
    assert made(source, "titles_to_sid")[1].prompt == title_question([TITLES[1]])


@pytest.mark.parametrize("name", ["title_to_sid", "sid_to_title"])
def test_titles_and_ids_of_every_item_with_a_title(source: TaskSource, name: str) -> None:
    rows = made(source, name)
    known = [item for item in range(6) if TITLES[item]]  # item 5 too, which no one has trained on
    assert len(rows) == len(known)
    for item, row in zip(known, rows, strict=True):
        asked, answer = (TITLES[item], SIDS[item]) if name == "title_to_sid" else (SIDS[item], TITLES[item])
        assert asked in (row.prompt or "")
        assert row.completion == answer


def test_descriptions_say_all_that_is_known(source: TaskSource) -> None:
    rows = made(source, "sid_to_description")
    assert [row.completion for row in rows] == [
        "Red Sun. Genres: Drama, War. A war under a red sun.",
        "Blue Moon. Genres: Comedy.",
        "The Red Moon. Genres: Drama. Somebody flies.",
        "Genres: Comedy.",
        "Last Sun. Genres: Western. A cowboy rides.",
    ]
    asked = [row.prompt or "" for row in made(source, "description_to_sid", times=10)]
    assert all("Genres: " in prompt for prompt in asked)
    assert 0 < sum("Red Sun. Genres" in prompt for prompt in asked) < 10  # the title is left out half of the time


def test_histories_as_titles(source: TaskSource) -> None:
    rows = made(source, "titles_to_sid")
    assert rows[2] == TaskRow("titles_to_sid", title_question(["Red Sun", "Blue Moon", "The Red Moon"]), SIDS[1])
    assert {row.completion for row in made(source, "sids_to_title")} == {"Blue Moon", "The Red Moon", "Red Sun"}


def test_a_persona_tells_the_profile_the_taste_and_the_items(source: TaskSource) -> None:
    first, second = made(source, "persona")
    assert first.prompt is None
    assert "age 30, gender F. Often chooses Drama, Comedy and War." in first.completion
    # The highest and the lowest of the ratings that are known.
    assert re.search(rf": Red Sun {SIDS[0]}\. \S[\w ]+: Blue Moon {SIDS[1]}\.", first.completion)
    assert first.completion.endswith(f"The Red Moon {SIDS[2]}, Blue Moon {SIDS[1]}.")
    # All ratings the same: nothing is liked more or less.
    assert "age 41. Often chooses Drama and War. " in second.completion
    assert second.completion.count("<a_0>") == 2


def test_a_query_is_made_of_words_of_the_title_and_a_term(source: TaskSource) -> None:
    rows = [row for row in made(source, "search", times=20) if row.completion == SIDS[2]]
    words = {word for row in rows for word in re.split(r"\W+", (row.prompt or "").lower())}
    assert {"red", "moon", "drama"} <= words
    assert "comedy" not in words
    assert any("red moon" in (row.prompt or "") for row in rows)
    assert not any("moon red" in (row.prompt or "") for row in rows)  # the title's order


def test_preferences_name_the_most_frequent_terms(source: TaskSource) -> None:
    summaries = [row.completion for row in made(source, "preference_summary")]
    assert summaries == ["Drama and War.", "Drama, War and Comedy.", "Drama, War and Comedy.", "Drama."]
    asked = made(source, "preference_to_sid")
    assert [row.completion for row in asked] == [SIDS[1], SIDS[2], SIDS[1], SIDS[0]]
    assert "Drama and War" in (asked[0].prompt or "")


def test_terms_come_from_the_titles_where_there_are_no_categories(tmp_path, catalogue) -> None:
    titles = ["red soap", "red comb", "red brush", "hair comb", "old comb", "x1"]
    items = pl.DataFrame({"item_id": [f"i{at}" for at in range(6)], "title": titles})
    bare = write_dataset(tmp_path / "bare", items)
    texts = TaskSource.of(bare, catalogue, MixtureConfig(), 3).texts
    assert texts.terms == [["red"], ["red", "comb"], ["red"], ["comb"], ["comb"], []]


@pytest.mark.parametrize("name", LOG_TASKS)
def test_nothing_held_out_is_in_a_row_made_of_the_log(source: TaskSource, name: str) -> None:
    rows = made(source, name, times=10)
    assert rows
    text = " ".join(f"{row.prompt} {row.completion}" for row in rows)
    # Items 3, 4 and 5 are of valid and test alone; u2's context is no training part either.
    for item in (3, 4, 5):
        assert SIDS[item] not in text
        assert not TITLES[item] or TITLES[item] not in text


@pytest.mark.parametrize("name", OWN_TASKS)
def test_the_completion_is_learned_token_by_token_and_nothing_else(
    source: TaskSource, chat: Chat, name: str
) -> None:
    row = next(TASKS[name](source).rows(np.random.default_rng(0)))
    ids, learned = Encoder(chat)(row)
    answer = chat.tokenizer.decode(ids[learned == 1])
    assert answer == row.completion + "<|end|>"
    if row.prompt is None:
        assert learned.all()
    else:
        assert (
            chat.tokenizer.decode(ids[learned == 0]) == f"<|start|>user\n{row.prompt}<|end|>\n<|start|>assistant\n"
        )
        assert (np.diff(learned) >= 0).all()


def test_semantic_ids_are_single_tokens(chat: Chat) -> None:
    ids, learned = Encoder(chat)(TaskRow("next_item", "x", SIDS[1]))
    assert learned.sum() == 3  # two codes and the end
    assert chat.tokenizer.convert_ids_to_tokens(ids[-3:].tolist()) == ["<a_0>", "<b_1>", "<|end|>"]


def test_a_column_that_does_not_exist_is_named(dataset, catalogue) -> None:
    with pytest.raises(UnknownNameError, match=r"'genre'\. Did you mean 'genres'"):
        TaskSource.of(dataset, catalogue, MixtureConfig(categories="genre"), 3)


def test_semantic_ids_of_other_items_are_refused(dataset, catalogue: Catalogue) -> None:
    with pytest.raises(ArtifactError, match="other items"):
        TaskSource.of(dataset, catalogue.take(np.arange(5)), MixtureConfig(), 3)


def test_long_descriptions_are_cut(dataset, catalogue) -> None:
    texts = TaskSource.of(dataset, catalogue, MixtureConfig(description_words=2), 3).texts
    assert texts.details[0] == "Genres: Drama, War. A war …"
