"""The engine behind the service: the same answers from another one, and refusals that stop the start."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError
from starlette.testclient import TestClient

from genrec.cli.app import main
from genrec.config import load_settings
from genrec.decoding.engines import base
from genrec.decoding.engines.generate import GenerateSearch
from genrec.errors import ArtifactError, ConfigError, MissingPackageError
from genrec.serving.config import ServeConfig
from genrec.serving.loading import load_service
from tests.serving.worlds import served, write_run

REQUESTS = [
    {"user_id": "ann", "k": 5},
    {"history": ["i01", "i02"], "exclude": ["i03", "i04"], "k": 4, "beams": 6},
    {"history": ["i01"], "session": 2, "k": 2},
    {"titles": ["Film i05"], "domain": "films", "allow_seen": True},
    {"history": [], "k": 3, "explain": True},
]


def answers(client: TestClient) -> tuple[list[object], list[float]]:
    """Return the answers without their scores, and the scores."""
    found, scores = [], []
    for request in REQUESTS:
        answer = client.post("/v1/recommend", json=request)
        assert answer.status_code == 200, answer.text
        found.append(without_floats({**answer.json(), "request_id": ""}, scores))
    return found, scores


def without_floats(answer: object, floats: list[float]) -> object:
    if isinstance(answer, float):
        floats.append(answer)
        return None
    if isinstance(answer, dict):
        return {key: without_floats(value, floats) for key, value in answer.items()}
    return [without_floats(value, floats) for value in answer] if isinstance(answer, list) else answer


def test_another_engine_gives_the_same_answers(
    run: Path, client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, sessions = [], GenerateSearch.sessions
    monkeypatch.setattr(
        GenerateSearch, "sessions", lambda self, *given, **how: calls.append(1) or sessions(self, *given, **how)
    )
    wanted = answers(client)
    assert not calls
    with served(run, engine="hf", histories=f"sqlite:///{tmp_path}/f.sqlite") as other:
        found = answers(other)
    assert found[0] == wanted[0]
    assert found[1] == pytest.approx(wanted[1], abs=1e-4)
    assert len(found[1]) > 20
    assert len(calls) == len(REQUESTS)


def test_an_unknown_engine_is_a_mistake_in_the_settings() -> None:
    with pytest.raises(ConfigError, match=r"serve.engine: unknown engine 'vlm'. Did you mean 'vllm'\?"):
        load_settings({"serve": ServeConfig}, None, ["serve.engine=vlm"], None)
    with pytest.raises(ValidationError):
        ServeConfig(engine="tree ")


def test_a_service_that_cannot_have_its_engine_does_not_start(
    tmp_path: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    onerec = write_run(tmp_path / "run", "lazy_decoder")
    with pytest.raises(ArtifactError, match="Take the engine tree"):
        load_service(onerec, ServeConfig(engine="hf"))
    monkeypatch.setattr(base, "find_spec", lambda name: None)  # noqa: ARG005
    with pytest.raises(MissingPackageError, match="pip install"):
        load_service(run, ServeConfig(engine="vllm"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--engine", "vlm"], "Did you mean 'vllm'? Available: hf, tree, vllm"),
        (["--engine", "hf", "--explain"], "--explain and --ahead are for the engine tree, not hf"),
    ],
)
def test_the_command_line_refuses(
    words: list[str], said: str, run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["genrec", "recommend", "--run", str(run), "--user", "ann", *words])
    with pytest.raises(SystemExit) as exit_:
        main()
    assert exit_.value.code == 2
    assert said in " ".join(capsys.readouterr().err.split())
