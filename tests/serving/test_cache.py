"""What is kept of earlier histories changes no answer, and is counted."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from pydantic import ValidationError
from starlette.testclient import TestClient

from genrec.semantic_ids import CatalogueStore
from genrec.serving.config import ServeConfig
from genrec.serving.loading import load_service
from tests.serving.worlds import ITEMS, client_of, served, write_run


def ask(client: TestClient, **body: object) -> tuple[list[str], list[float]]:
    answer = client.post("/v1/recommend", json=body)
    assert answer.status_code == 200, answer.text
    items = answer.json()["items"]
    return [one["item_id"] for one in items], [one["score"] for one in items]


def counted(client: TestClient, name: str, model: str = "run") -> float:
    lines = client.get("/metrics").text.splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(f'genrec_{name}{{model="{model}"}}'))


@pytest.mark.parametrize("kind", ["decoder", "lazy_decoder"])
def test_a_history_that_grows_gets_the_same_answers(kind: str, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", kind)
    with served(run, cache_mb=1) as cached, served(run) as plain:
        for length in range(3, 8):
            history = {"history": ITEMS[:length], "k": 5}
            found, wanted = ask(cached, **history), ask(plain, **history)
            assert found[0] == wanted[0]
            assert found[1] == pytest.approx(wanted[1], abs=1e-5)
        assert counted(cached, "cache_hits_total") == 4
        assert counted(cached, "cache_misses_total") == 1
        assert 0 < counted(cached, "cache_bytes") <= 1e6
        assert "genrec_cache" not in plain.get("/metrics").text


def test_a_domain_s_items_come_from_the_same_cache(run: Path, tmp_path: Path) -> None:
    with served(run, cache_mb=1, histories=f"sqlite:///{tmp_path}/feedback.sqlite") as client:
        first = ask(client, history=ITEMS[:4], domain="films")
        assert first == ask(client, history=ITEMS[:4], domain="films")
        ask(client, history=ITEMS[:5])
        assert counted(client, "cache_hits_total") == 2


def test_a_new_version_of_the_catalogue_finds_what_is_still_right(run: Path, tmp_path: Path) -> None:
    own = Path(shutil.copytree(run, tmp_path / "own"))
    service = load_service(own, ServeConfig(catalogue_poll_s=0, cache_mb=1))
    with client_of(service) as client:
        ask(client, history=ITEMS[:5])
        CatalogueStore(own).remove(ITEMS[-2:])
        assert service.live.check()
        found = ask(client, history=ITEMS[:6], k=4)
        assert counted(client, "cache_hits_total", "own") == 1
        with served(own) as plain:
            wanted = ask(plain, history=ITEMS[:6], k=4)
    assert found[0] == wanted[0]
    assert found[1] == pytest.approx(wanted[1], abs=1e-5)


def test_each_model_has_its_own(run: Path, tmp_path: Path) -> None:
    other = write_run(tmp_path / "other", "lazy_decoder")
    with served(run, cache_mb=1, models={"lazy": str(other)}) as client:
        for model in ("run", "lazy"):
            ask(client, history=ITEMS[:4], model=model)
            assert counted(client, "cache_hits_total", model) == 0
            assert counted(client, "cache_misses_total", model) == 1


def test_other_engines_have_no_such_cache() -> None:
    with pytest.raises(ValidationError, match=r"cache_mb is for .* not hf"):
        ServeConfig(engine="hf", cache_mb=1)
