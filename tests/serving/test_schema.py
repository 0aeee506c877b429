"""Requests made from the OpenAPI schema: no server error, and answers of the form that is promised."""

from __future__ import annotations

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.testclient import TestClient

CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance, status_code_conformance]
ROUTES = [
    ("POST", "/v1/recommend"),
    ("POST", "/v1/feedback"),
    ("GET", "/v1/models"),
    ("GET", "/v1/items/{item_id}"),
    ("GET", "/v1/similar"),
    ("GET", "/v1/images/{item_id}"),
    ("GET", "/v1/items"),
    ("GET", "/v1/users"),
    ("GET", "/v1/history"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
]


def test_every_route_is_tested(client: TestClient) -> None:
    described = {(method.upper(), path) for path, own in client.app.openapi()["paths"].items() for method in own}
    assert described == set(ROUTES)


@pytest.mark.parametrize("body", ["/v1/recommend", "/v1/feedback"])
def test_the_examples_of_the_schema_are_answered(body: str, client: TestClient) -> None:
    schemas = client.app.openapi()["components"]["schemas"]
    names = ("RecommendRequest", "RecommendBatch") if body == "/v1/recommend" else ("Feedback",)
    examples = [example for name in names for example in schemas[name]["examples"]]
    assert examples
    for example in examples:
        assert client.post(body, json=example).status_code in (200, 201)


@pytest.mark.parametrize("mode", list(GenerationMode))
@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_whatever_is_made_from_the_schema_is_answered_as_promised(
    method: str, path: str, mode: GenerationMode, client: TestClient
) -> None:
    operation = schemathesis.openapi.from_dict(client.app.openapi())[path][method]
    if mode is GenerationMode.NEGATIVE and not (list(operation.iter_parameters()) or operation.body):
        pytest.skip("there is nothing to get wrong")

    @settings(
        max_examples=15, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: schemathesis.Case) -> None:
        sent = case.as_transport_kwargs(base_url="http://localhost")
        sent.pop("cookies", None)
        if "data" in sent:
            sent["content"] = sent.pop("data")  # as httpx calls it
        case.validate_response(client.request(**sent), checks=CHECKS)

    ask()
