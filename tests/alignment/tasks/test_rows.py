"""The stream of rows: what is in it, that it comes again, and that it goes on from anywhere."""

from __future__ import annotations

import pytest

from genrec.data import Dataset
from genrec.models.language import Chat
from genrec.semantic_ids import Catalogue
from genrec_alignment.tasks import MixtureConfig, TaskRow, task_rows
from genrec_alignment.tasks.rows import Encoder

CONFIG = MixtureConfig(weights={"continue_history": 2, "next_item": 1, "sid_to_title": 1, "persona": 1}, rows=60)


def streamed(dataset: Dataset, catalogue: Catalogue, chat: Chat, **changes: int) -> list[dict]:
    settings = {"history_length": 3, "seed": 0, "epoch": 0} | changes
    return list(task_rows(CONFIG, dataset, catalogue, chat, **settings))


def test_a_row_holds_ids_mask_and_task(dataset: Dataset, catalogue: Catalogue, chat: Chat) -> None:
    rows = streamed(dataset, catalogue, chat)
    assert [sum(row["task"] == name for row in rows) for name in CONFIG.weights] == [24, 12, 12, 12]
    for row in rows:
        assert len(row["input_ids"]) == len(row["completion_mask"])
        assert set(row["completion_mask"]) == ({1} if row["task"] == "persona" else {0, 1})
        assert chat.tokenizer.decode(row["input_ids"]).endswith("<|end|>")


def test_what_is_given_is_read_and_the_rest_of_the_answer_learned(chat: Chat) -> None:
    row = TaskRow("any", "What?", "<a_0><b_1>", given="<a_1><b_0>")
    ids, learned = Encoder(chat)(row)
    assert ids.tolist() == [*chat.prompt("What?"), *chat.completion("<a_1><b_0><a_0><b_1>")]
    assert ids[learned == 1].tolist() == chat.completion("<a_0><b_1>")


def test_rows_come_again_as_they_were(dataset: Dataset, catalogue: Catalogue, chat: Chat) -> None:
    rows = task_rows(CONFIG, dataset, catalogue, chat, 3, seed=0, epoch=0)
    assert list(rows) == list(rows) == streamed(dataset, catalogue, chat)


@pytest.mark.parametrize("changes", [{"epoch": 1}, {"seed": 1}])
def test_epochs_and_seeds_differ(
    dataset: Dataset, catalogue: Catalogue, chat: Chat, changes: dict[str, int]
) -> None:
    assert streamed(dataset, catalogue, chat, **changes) != streamed(dataset, catalogue, chat)


@pytest.mark.parametrize("start", [1, 37, 59])
def test_a_stream_goes_on_from_any_row(dataset: Dataset, catalogue: Catalogue, chat: Chat, start: int) -> None:
    assert streamed(dataset, catalogue, chat, start=start) == streamed(dataset, catalogue, chat)[start:]
