"""Who may ask, how much may be sent, what is refused when it is too much; and nothing that is sent breaks it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from genrec.serving.config import ServeConfig
from genrec.serving.loading import load_service
from genrec.serving.service import Service
from tests.serving.worlds import client_of, served

JSON = {"content-type": "application/json"}


@pytest.fixture
def held(run: Path) -> Iterator[tuple[Service, threading.Event]]:
    """A service with room for two, whose search waits until it is let go."""
    config = ServeConfig(catalogue_poll_s=0, queue=2, max_batch=1, deadline_s=0.5)
    service, gate = load_service(run, config), threading.Event()
    real = service._searcher
    service._searcher = lambda asks: (gate.wait(20), real(asks))[1]
    yield service, gate
    gate.set()


def test_without_the_token_nothing_but_the_page_and_the_health_is_open(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENREC_TOKEN", "geheim-é")
    with served(run) as client:
        for path in ("/healthz", "/readyz", "/"):
            assert client.get(path).status_code == 200
        for path in ("/v1/items/i01", "/metrics", "/openapi.json", "/v1/users", "/nothing"):
            refused = client.get(path)
            assert refused.status_code == 401
            assert refused.headers["www-authenticate"] == "Bearer"
        for wrong in ("Bearer falsch", "Basic geheim-é", "geheim-é", "Bearer", "Bearer geheim-é2"):
            answer = client.get("/v1/items/i01", headers={b"authorization": wrong.encode()})
            assert answer.status_code == 401
        right = {b"authorization": "bearer geheim-é".encode()}
        assert client.get("/v1/items/i01", headers=right).status_code == 200


def test_on_the_loopback_no_other_host_name_is_answered(client: TestClient, run: Path) -> None:
    assert client.get("/healthz", headers={"host": "evil.example:8000"}).status_code == 400
    for name in ("127.0.0.1:8000", "localhost", "[::1]:8000", "LOCALHOST"):
        assert client.get("/healthz", headers={"host": name}).status_code == 200
    with served(run, allowed_hosts=["Films.example"]) as other:
        assert other.get("/healthz", headers={"host": "films.example:80"}).status_code == 200
        assert other.get("/healthz").status_code == 400


def test_other_origins_are_let_in_only_if_named(client: TestClient, run: Path) -> None:
    asks = {"origin": "https://films.example", "access-control-request-method": "POST"}
    assert "access-control-allow-origin" not in client.get("/healthz", headers=asks).headers
    with served(run, cors_origins=["https://films.example"]) as other:
        allowed = other.options("/v1/recommend", headers=asks)
        assert allowed.headers["access-control-allow-origin"] == "https://films.example"


def test_a_form_of_another_page_cannot_post(client: TestClient) -> None:
    refused = client.post("/v1/recommend", content='{"history": []}', headers={"content-type": "text/plain"})
    assert refused.status_code == 422


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_that_is_too_large_is_not_read(chunked: bool, run: Path) -> None:
    with served(run, max_body_kb=1) as client:
        body = b'{"history": ["' + b"x" * 2000 + b'"]}'
        pieces = (body[at : at + 500] for at in range(0, len(body), 500))
        refused = client.post("/v1/recommend", content=pieces if chunked else body, headers=JSON)
        assert refused.status_code == 413
        assert refused.json()["error"]["kind"] == "too_large"
        assert client.post("/v1/recommend", json={"history": []}).status_code == 200


def test_one_more_than_may_wait_is_told_to_come_again(held: tuple[Service, threading.Event]) -> None:
    service, gate = held
    with client_of(service) as client, ThreadPoolExecutor(8) as pool:
        body = {"history": ["i01"]}
        answers = list(pool.map(lambda _: client.post("/v1/recommend", json=body), range(8)))
        statuses = [answer.status_code for answer in answers]
        assert set(statuses) == {429, 504}, "the first ones are not answered in time, the others have no room"
        assert statuses.count(504) <= 3
        busy = next(answer for answer in answers if answer.status_code == 429)
        assert busy.headers["retry-after"] == "1"
        assert "genrec_refused_total" in client.get("/metrics").text
        gate.set()
        assert client.post("/v1/recommend", json=body).status_code == 200


def test_a_defect_says_nothing_of_our_insides(run: Path, caplog: pytest.LogCaptureFixture) -> None:
    service = load_service(run, ServeConfig(catalogue_poll_s=0))

    def broken(_: object) -> list[Exception]:
        raise RuntimeError("secret")

    service._searcher = broken
    with client_of(service) as client:
        answer = client.post("/v1/recommend", json={"history": []})
        assert answer.status_code == 500
        assert "secret" not in answer.text
        assert "secret" in caplog.text
        assert client.get("/healthz").status_code == 200


def test_metrics_name_routes_and_never_ids(client: TestClient) -> None:
    client.get("/v1/items/some-id-or-other")
    client.get("/some-path-or-other")
    text = client.get("/metrics").text
    assert 'route="/v1/items/{item_id:path}",status="404"' in text
    assert "or-other" not in text
    for name in (
        "genrec_queue_requests",
        "genrec_catalogue_version",
        "genrec_beams_total",
        "genrec_batch_requests",
    ):
        assert name in text


@pytest.mark.parametrize(
    "path", ["../../etc/passwd", "..%2f..%2fetc%2fpasswd", "%2e%2e/x", "i03%00", "a'b\"--;", "🎬"]
)
def test_no_id_becomes_a_path(path: str, client: TestClient) -> None:
    for route in ("/v1/images/", "/v1/items/", "/page/"):
        assert client.get(route + path).status_code in (404, 422)


def test_items_have_their_pictures(client: TestClient) -> None:
    picture = client.get("/v1/images/i03")
    assert picture.status_code == 200
    assert picture.headers["content-type"] == "image/png"
    assert client.get("/v1/items/i03").json()["item"]["image"]
    assert client.get("/v1/images/i04").status_code == 404


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=8,
)
KEYS = st.sampled_from(["history", "titles", "user_id", "k", "session", "exclude", "requests", "events", "domain"])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=60) | st.dictionaries(KEYS, VALUES, max_size=4) | VALUES, where=st.booleans())
def test_whatever_is_sent_the_service_answers_and_goes_on(body: object, where: bool, client: TestClient) -> None:
    import json

    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = client.post("/v1/recommend" if where else "/v1/feedback", content=raw, headers=JSON)
    assert answer.status_code < 500, answer.text
    assert answer.headers["content-type"] == "application/json"
    answer.json()
