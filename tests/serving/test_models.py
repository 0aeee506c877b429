"""Several generators of one catalogue in one service: a request chooses, and every answer says who gave it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError
from starlette.testclient import TestClient

from genrec.errors import ArtifactError, ConfigError
from genrec.models import Generator
from genrec.runs import new_artifact
from genrec.semantic_ids import CatalogueStore
from genrec.serving.config import ServeConfig
from genrec.serving.loading import load_service
from tests.serving.worlds import ITEMS, served, write_run


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the same catalogue with a OneRec generator, which reads what was done with an item as well."""
    return write_run(tmp_path_factory.mktemp("other") / "other", "lazy_decoder", ("behavior",))


@pytest.fixture(scope="module")
def client(run: Path, other: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    feedback = f"sqlite:///{tmp_path_factory.mktemp('feedback')}/feedback.sqlite"
    with served(run, histories=feedback, models={"lazy": str(other)}) as client:
        yield client


def test_a_named_model_answers_as_it_does_by_itself(client: TestClient, other: Path) -> None:
    body = {"user_id": "ann", "k": 5}
    own = client.post("/v1/recommend", json=body)
    named = client.post("/v1/recommend", json=body | {"model": "lazy"})
    with served(other) as alone:
        wanted = alone.post("/v1/recommend", json=body)
    assert named.json()["items"] == wanted.json()["items"] != own.json()["items"]
    assert named.json()["versions"] == wanted.json()["versions"] | {"name": "lazy"}
    assert [answer.json()["versions"]["name"] for answer in (own, named)] == ["run", "lazy"]
    assert own.headers["x-genrec-model"] != named.headers["x-genrec-model"] == wanted.headers["x-genrec-model"]


def test_the_run_s_own_model_may_be_named(client: TestClient) -> None:
    own, named = (client.post("/v1/recommend", json={"history": [], **more}) for more in ({}, {"model": "run"}))
    assert named.json()["items"] == own.json()["items"]
    assert named.json()["versions"] == own.json()["versions"]


def test_the_models_can_be_asked_for_the_default_one_first(client: TestClient) -> None:
    models = client.get("/v1/models").json()["models"]
    assert [one["name"] for one in models] == ["run", "lazy"]
    assert len({one["model"] for one in models}) == 2


def test_an_unknown_model_is_refused_with_the_closest(client: TestClient) -> None:
    refused = client.post("/v1/recommend", json={"history": [], "model": "lasy"})
    assert refused.status_code == 422
    assert refused.json()["error"]["problems"] == [
        "Unknown model 'lasy'. Did you mean 'lazy'? Available: lazy, run."
    ]


def test_a_batch_is_for_one_model(client: TestClient) -> None:
    bodies: list[dict] = [{"history": ["i01"], "model": "lazy"}, {"history": ["i02"], "model": "lazy"}]
    answer = client.post("/v1/recommend", json={"requests": bodies}).json()
    assert answer["versions"]["name"] == "lazy"
    for body, result in zip(bodies, answer["results"], strict=True):
        alone = client.post("/v1/recommend", json=body).json()
        assert [one["item_id"] for one in result["items"]] == [one["item_id"] for one in alone["items"]]
    refused = client.post("/v1/recommend", json={"requests": [bodies[0], {"history": []}]})
    assert refused.status_code == 422
    assert "are for one model" in refused.json()["error"]["problems"][0]


def test_concurrent_requests_are_answered_by_the_model_they_name(client: TestClient) -> None:
    bodies = [{"history": [item], "k": 3, "model": name} for item in ITEMS[:6] for name in ("run", "lazy")]

    def ask(body: dict) -> tuple[str, list[str]]:
        answer = client.post("/v1/recommend", json=body).json()
        return answer["versions"]["name"], [one["item_id"] for one in answer["items"]]

    alone = [ask(body) for body in bodies]
    with ThreadPoolExecutor(12) as pool:
        assert list(pool.map(ask, bodies)) == alone
    assert [name for name, _ in alone] == [body["model"] for body in bodies]


def test_metrics_tell_the_models_apart(run: Path, other: Path) -> None:
    with served(run, models={"lazy": str(other)}) as client:
        client.post("/v1/recommend", json={"history": [], "model": "lazy", "beams": 20})
        text = client.get("/metrics").text
    for line in (
        'genrec_beams_total{model="lazy"} 20.0',
        'genrec_search_seconds_count{model="lazy"} 1.0',
        'genrec_catalogue_items{model="lazy"} 12.0',
        'genrec_catalogue_items{model="run"} 12.0',
    ):
        assert line in text
    assert 'genrec_beams_total{model="run"}' not in text


def test_a_new_version_of_the_catalogue_is_taken_by_each(run: Path, other: Path, tmp_path: Path) -> None:
    own = Path(shutil.copytree(run, tmp_path / "own"))
    service = load_service(own, ServeConfig(catalogue_poll_s=0, models={"lazy": str(other / "generator")}))
    CatalogueStore(own).remove(["i04"])
    for model in service.models.values():
        assert model.live.check()
        assert model.live.current.number == 2
        assert "i04" not in model.live.current.catalogue.index_of
    service.stop()


def test_a_model_of_another_catalogue_stops_the_start(run: Path, other: Path, tmp_path: Path) -> None:
    generator = Generator.from_pretrained(run / "generator")
    fewer = generator.catalogue.take(np.arange(11))
    with new_artifact(tmp_path / "fewer", "generator", {}) as draft:
        Generator(generator.model, fewer, generator.history_length).save_pretrained(draft.path)
    with pytest.raises(ArtifactError, match=r"serve.models.fewer: .* another catalogue \(11 items of 2 codes\)"):
        load_service(run, ServeConfig(models={"lazy": str(other), "fewer": str(tmp_path / "fewer")}))


@pytest.mark.parametrize(
    ("models", "words"),
    [
        ({"run": "other"}, "'run', as the run itself is called"),
        ({"other": "nowhere"}, "nowhere is not a saved generator"),
    ],
)
def test_what_cannot_be_served_stops_the_start(models: dict[str, str], words: str, run: Path) -> None:
    with pytest.raises((ArtifactError, ConfigError), match=words):
        load_service(run, ServeConfig(models=models))


def test_names_are_plain_and_vllm_has_one_model() -> None:
    with pytest.raises(ValidationError, match="use letters, digits"):
        ServeConfig(models={"a b": "runs/a"})
    with pytest.raises(ValidationError, match="one model a process"):
        ServeConfig(models={"a": "runs/a"}, engine="vllm")
