"""``POST /v1/recommend`` as a client sees it, against the search itself."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient

from genrec.decoding import Recommender
from tests.serving.worlds import served, write_run

KINDS = ["decoder", "lazy_decoder", "language"]


def post(client: TestClient, **body: object) -> dict:
    answer = client.post("/v1/recommend", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def ids(answer: dict) -> list[str]:
    return [one["item_id"] for one in answer["items"]]


@pytest.mark.parametrize("kind", KINDS)
def test_the_answer_is_the_search_s(kind: str, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", kind)
    recommender = Recommender.from_pretrained(run / "generator")
    history = recommender.catalogue.indices(["i01", "i02"])
    wanted = recommender.recommend([history], 4, exclude=[history])
    with served(run) as client:
        answer = post(client, history=["i01", "i02"], k=4)
        session = post(client, history=["i01", "i02"], session=2)["sessions"][0]
    assert ids(answer) == [recommender.catalogue.item_ids[item] for item in wanted.items[0]]
    assert [one["score"] for one in answer["items"]] == pytest.approx(wanted.scores[0].tolist(), abs=1e-4)
    sessions = recommender.sessions([history], 2, exclude=[history])
    assert ids(session) == [recommender.catalogue.item_ids[item] for item in sessions.items[0, 0]]
    assert session["score"] == pytest.approx(sum(one["score"] for one in session["items"]), abs=1e-4)


def test_every_answer_names_its_versions(client: TestClient) -> None:
    answer = client.post("/v1/recommend", json={"history": []})
    versions = answer.json()["versions"]
    assert versions["catalogue"] == 1
    assert len(versions["catalogue_digest"]) == len(versions["model"]) == 64
    assert answer.headers["x-genrec-catalogue"] == "1"
    assert versions["model"].startswith(answer.headers["x-genrec-model"])


def test_unknown_ids_are_left_out_and_named(client: TestClient) -> None:
    answer = post(client, history=["i01", "nope", "i02"], exclude=["i05", "x"])
    assert answer["history"] == ["i01", "i02"]
    assert answer["ignored"] == {"user_id": None, "history": ["nope"], "titles": [], "exclude": ["x"]}
    assert not answer["cold_start"]
    assert not {"i01", "i02", "i05"} & set(ids(answer))
    assert answer["items"] == post(client, history=["i01", "i02"], exclude=["i05"])["items"]


def test_without_a_known_history_comes_the_cold_start_answer(client: TestClient) -> None:
    cold = post(client, history=[])
    assert cold["cold_start"]
    assert post(client, history=["nope"])["items"] == cold["items"]
    unknown = post(client, user_id="nobody")
    assert unknown["items"] == cold["items"]
    assert unknown["ignored"]["user_id"] == "nobody"


def test_a_stored_user_is_answered_as_the_same_history_typed_in(client: TestClient) -> None:
    of_user = post(client, user_id="ann")
    assert of_user["history"] == ["i03", "i05", "i07"]
    assert of_user["ignored"]["history"] == ["gone"]
    assert of_user["items"] == post(client, history=["i03", "i05", "i07"])["items"]


def test_titles_are_taken_for_the_items_they_mean(client: TestClient) -> None:
    answer = post(client, titles=["film I03", "nothing like it"])
    assert answer["titles"] == [
        {"given": "film I03", "item_id": "i03", "title": "Film i03 (1999)"},
        {"given": "nothing like it", "item_id": None, "title": None},
    ]
    assert answer["ignored"]["titles"] == ["nothing like it"]
    assert answer["items"] == post(client, history=["i03"])["items"]


def test_a_language_model_reads_titles_that_are_not_there_as_text(tmp_path: Path) -> None:
    with served(write_run(tmp_path / "run", "language")) as client:
        answer = post(client, titles=["the first", "film i03"])
        assert answer["ignored"]["titles"] == []
        assert not answer["cold_start"]
        assert "i03" not in ids(answer)
        assert answer["items"] != post(client, history=["i03"])["items"]


def test_seen_items_come_back_on_request_alone(client: TestClient) -> None:
    everything = post(client, history=["i01"], k=12, allow_seen=True)
    assert len(ids(everything)) == 12
    assert len(ids(post(client, history=["i01"], k=12))) == 11


def test_a_domain_s_items_alone(client: TestClient) -> None:
    assert set(ids(post(client, history=["i04"], domain="films"))) == {"i02", "i03", "i05", "i07"}
    assert ids(post(client, history=["i01"], domain="books")) == []
    refused = client.post("/v1/recommend", json={"history": [], "domain": "music"})
    assert refused.status_code == 422
    assert refused.json()["error"]["remedy"] == "Domains: books, films."


def test_reasons_are_what_item_and_history_share(client: TestClient, run: Path) -> None:
    catalogue = Recommender.from_pretrained(run / "generator").catalogue
    answer = post(client, history=["i01", "i02"], k=10, explain=True)
    assert answer["explanation"]["kind"] == "resemblance"
    for one in answer["items"]:
        code = catalogue.codes[catalogue.index_of[one["item_id"]]][0]
        alike = [item for item in ("i02", "i01") if catalogue.codes[catalogue.index_of[item]][0] == code]
        assert [like["item_id"] for like in one["why"]["like"]] == alike


def test_a_batch_is_answered_in_its_order_with_each_one_s_own_settings(client: TestClient) -> None:
    bodies: list[dict] = [
        {"history": ["i01"], "k": 3},
        {"user_id": "ann", "session": 2},
        {"history": ["i01", "i02"], "k": 5, "explain": True},
        {"history": [], "k": 2, "beams": 2},
    ]
    together = client.post("/v1/recommend", json={"requests": bodies}).json()
    for body, result in zip(bodies, together["results"], strict=True):
        alone = post(client, **body)
        for part in ("items", "history", "sessions", "explanation"):
            if part in ("items", "sessions") and alone[part]:
                assert str(result[part])[:40] == str(alone[part])[:40]
            else:
                assert result[part] == alone[part]
    assert together["versions"]["catalogue"] == 1


def test_concurrent_requests_get_their_own_answers(client: TestClient) -> None:
    histories = [[f"i{a:02}", f"i{b:02}"] for a in range(6) for b in range(6, 12)]
    alone = [post(client, history=history, k=3) for history in histories]
    with ThreadPoolExecutor(12) as pool:
        together = list(pool.map(lambda history: post(client, history=history, k=3), histories))
    for one, other in zip(alone, together, strict=True):
        assert ids(one) == ids(other)
        scores = [[item["score"] for item in answer["items"]] for answer in (one, other)]
        assert np.allclose(*scores, atol=1e-4)


def test_a_session_longer_than_the_generator_writes_is_refused(tmp_path: Path) -> None:
    with served(write_run(tmp_path / "run", "lazy_decoder")) as client:
        refused = client.post("/v1/recommend", json={"history": [], "session": 4})
    assert refused.status_code == 422
    assert "sessions of 3 items, not sessions of 4" in refused.json()["error"]["problems"][0]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "exactly one of user_id, history and titles"),
        ({"history": [], "user_id": "ann"}, "exactly one of user_id, history and titles"),
        ({"history": [], "session": 2, "domain": "films"}, "not for sessions"),
        ({"history": [], "k": 3, "new_places": 4}, "new_places is 4"),
        ({"history": [], "k": "3"}, "body.k: Input should be a valid integer"),
        ({"history": [], "kk": 3}, "body.kk: Extra inputs"),
        ({"history": ["a\nb"]}, "body.history.0: String should match"),
        ({"requests": []}, "body.requests: List should have at least 1 item"),
        ({"requests": [{"history": []}, {"k": 1}]}, "body.requests.1: give exactly one"),
    ],
)
def test_what_cannot_be_is_refused_with_a_reason(body: dict, words: str, client: TestClient) -> None:
    refused = client.post("/v1/recommend", json=body)
    assert refused.status_code == 422
    assert words in refused.json()["error"]["problems"][0]
