"""The service while its store of histories is away: a clear refusal, answers to all else, and no restart."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest
from starlette.testclient import TestClient

from tests.serving.servers import PASSWORD, postgres, redis_server
from tests.serving.worlds import served

EVENT = {"user_id": "kim", "item_id": "i01", "event_id": "e1"}


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("run_server", [postgres, redis_server])
def test_what_needs_the_store_is_refused_while_it_is_away_and_all_else_is_answered(
    run_server: Callable, run: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with run_server() as server, served(run, histories=server.url) as client:
        assert client.post("/v1/feedback", json={"events": [EVENT]}).status_code == 201
        server.fail()
        for answer in asked(client):
            assert answer.status_code == 503
            assert answer.headers["retry-after"] == "1"
            error = answer.json()["error"]
            assert error["kind"] == "store_down"
            assert "127.0.0.1" not in answer.text, "a stranger learns nothing of our insides"
        assert client.post("/v1/recommend", json={"history": ["i01"]}).status_code == 200
        assert client.get("/readyz").status_code == 200
        assert 'genrec_refused_total{reason="store_down"} 4.0' in client.get("/metrics").text
        assert "store of histories at" in caplog.text
        assert PASSWORD not in caplog.text
        server.start()
        until = time.monotonic() + 20
        while client.get("/v1/history", params={"user_id": "kim"}).status_code == 503:
            assert time.monotonic() < until
            time.sleep(0.1)
        assert [answer.status_code for answer in asked(client)] == [201, 200, 200, 200]
        assert client.post("/v1/feedback", json={"events": [EVENT]}).json()["repeated"] == 1


def asked(client: TestClient) -> list[httpx2.Response]:
    """Return the answers to one request of each kind that needs the store."""
    return [
        client.post("/v1/feedback", json={"events": [{"user_id": "kim", "item_id": "i02"}]}),
        client.post("/v1/recommend", json={"user_id": "kim"}),
        client.get("/v1/history", params={"user_id": "kim"}),
        client.get("/v1/users", params={"query": "ki"}),
    ]
