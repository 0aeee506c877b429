"""Users' histories: the dataset's past and the feedback since, counted once. The stores: see test_stores."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from genrec.data import Dataset
from genrec.data.features import Features
from genrec.errors import ArtifactError, ConfigError
from genrec.serving.config import ServeConfig
from genrec.serving.histories import People, StoredEvent, open_histories
from genrec.serving.histories.base import HistoryStore
from genrec.serving.loading import load_service
from tests.serving.worlds import client_of, served, write_run


@pytest.fixture
def store(tmp_path: Path) -> HistoryStore:
    return open_histories("sqlite", tmp_path)


def event(user: str, item: str, timestamp: int = 0, **fields: object) -> StoredEvent:
    return StoredEvent(user, item, timestamp, **fields)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "feedback.sqlite").write_text("something else, and longer than a header of a database would be" * 9)
    with pytest.raises(ArtifactError, match=r"feedback\.sqlite cannot be used for users' histories"):
        open_histories("sqlite", tmp_path)


@pytest.mark.parametrize("url", ["mysql://x", "sqlite:", "nothing", "sqlite://host/file"])
def test_an_unknown_url_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="names no store"):
        open_histories(url, tmp_path)


def test_feedback_follows_what_the_dataset_knows_and_counts_once(run: Path, store: HistoryStore) -> None:
    people = People(store, Dataset.load(run / "dataset"), None)
    # The dataset has ann's i07 at 4000 already: she came back into it from this very store.
    store.append([event("ann", "i07", 4000), event("ann", "i07", 5000), event("dan", "i01", 1)])
    past = people.past("ann")
    assert past is not None
    assert past.item_ids == ["i03", "i05", "gone", "i07", "i07"]
    assert people.past("nobody") is None
    assert people.users("an", 9) == ["ann", "dan"]


def test_events_since_then_have_the_features_they_would_have_in_the_log(
    tmp_path: Path, store: HistoryStore
) -> None:
    run = write_run(tmp_path / "run")
    dataset = Dataset.load(run / "dataset")
    features = Features.fit(dataset, ("behavior", "gap", "item:genres"))
    people = People(store, dataset, features)
    store.append([event("ann", "i01", 5000, behavior="like"), event("ann", "i02", 9000, behavior="unheard of")])
    past = people.past("ann")
    assert past is not None
    assert past.features is not None
    known = features.table(dataset)[:4]
    assert (past.features[:4] == known).all()
    new = features.encode(["i07", "i01", "i02"], behaviors=[None, "like", None], timestamps=[4000, 5000, 9000])[1:]
    assert (past.features[4:] == new).all()
    assert (new[:, 1] > 0).all(), "the first gap reaches back into the dataset"


def test_posted_events_extend_the_history_and_change_the_answer(tmp_path: Path) -> None:
    with served(write_run(tmp_path / "run", "lazy_decoder", ("behavior",))) as client:
        before = client.post("/v1/recommend", json={"user_id": "ann"}).json()
        done = client.post(
            "/v1/feedback",
            json={
                "events": [
                    {"user_id": "ann", "item_id": "i01", "behavior": "like", "event_id": "e1"},
                    {"user_id": "ann", "item_id": "new"},
                ]
            },
        )
        assert done.status_code == 201
        assert (done.json()["stored"], done.json()["repeated"]) == (2, 0)
        assert done.json()["unknown_items"] == ["new"]
        after = client.post("/v1/recommend", json={"user_id": "ann"}).json()
        assert after["history"] == [*before["history"], "i01"]
        assert after["items"] != before["items"]
        shown = client.get("/v1/history", params={"user_id": "ann", "limit": 2}).json()
        assert [item["item_id"] for item in shown["items"]] == ["i01"]
        assert shown["ignored"]["history"] == ["new"]
        again = client.post(
            "/v1/feedback", json={"events": [{"user_id": "ann", "item_id": "i01", "event_id": "e1"}]}
        )
        assert (again.json()["stored"], again.json()["repeated"]) == (0, 1)


def test_a_long_history_is_read_in_a_thread_and_a_short_one_where_it_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = load_service(write_run(tmp_path / "run"), ServeConfig(catalogue_poll_s=0))
    store, threads = service.people.store, []
    for name in ("at_once", "history"):
        monkeypatch.setattr(store, name, noting(getattr(store, name), threads))
    store.append([event("long", "i01", at) for at in range(300)])
    with client_of(service) as client:
        for user, calls in (("ann", ["at_once"]), ("long", ["at_once", "history"])):
            threads.clear()
            assert client.post("/v1/recommend", json={"user_id": user}).json()["cold_start"] is False
            assert [name for name, _ in threads] == calls
        assert threads[0][1] != threads[1][1]
        threads.clear()
        client.post("/v1/recommend", json={"requests": [{"user_id": "ann"}, {"user_id": "bob"}]})
        assert [name for name, _ in threads] == ["history", "history"]


def noting(method: Callable[..., Any], threads: list[tuple[str, int]]) -> Callable[..., Any]:
    """Return a method that notes its name and the thread it is called in."""

    def noted(*arguments: Any) -> Any:
        threads.append((method.__name__, threading.get_ident()))
        return method(*arguments)

    return noted


def test_searching_users_and_items(client: TestClient) -> None:
    assert client.get("/v1/users", params={"query": "B"}).json()["users"] == ["bob"]
    assert client.get("/v1/history", params={"user_id": "nobody"}).status_code == 404
    found = client.get("/v1/items", params={"query": "FILM i1", "limit": 2}).json()["items"]
    assert [item["item_id"] for item in found] == ["i10", "i11"]
    near = client.get("/v1/similar", params={"item_id": "i01", "k": 11}).json()
    similarities = [item["similarity"] for item in near["items"]]
    assert similarities == sorted(similarities, reverse=True)
    assert {item["item_id"] for item in near["items"]} == {f"i{row:02}" for row in range(12)} - {"i01"}
