"""Settings of ``genrec serve``. What a single request may ask for at most stands in genrec.serving.messages."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, field_validator, model_validator

from genrec.config import Section
from genrec.decoding.engines.base import ENGINES
from genrec.errors import suggest


class ServeConfig(Section):
    """How the service listens, batches, refuses, and where it keeps histories."""

    host: str = Field("127.0.0.1", min_length=1, description="Address to listen on; 0.0.0.0 for every network.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    histories: str = Field(
        "sqlite",
        description="Where feedback is kept: sqlite (in the run), sqlite:///FILE, postgresql://…, redis://…, "
        "or env:NAME for a URL in an environment variable.",
    )
    token_env: str = Field(
        "GENREC_TOKEN", description="Environment variable with the bearer token; no token is asked for if unset."
    )
    cors_origins: list[str] = Field(default=[], description="Other origins whose pages may call the API.")
    allowed_hosts: list[str] = Field(
        default=[], description="Host names to answer to; by default the loopback's there, and any elsewhere."
    )
    page: bool = Field(True, description="Offer the page at / and the search for users and items that it needs.")
    max_batch: int = Field(16, ge=1, le=4096, description="Requests searched at once.")
    batch_beams: int = Field(3200, ge=1, description="Beams searched at once; wider requests make smaller batches.")
    batch_wait_ms: float = Field(0.0, ge=0, le=1000, description="How long an idle search waits for company.")
    queue: int = Field(512, ge=1, description="Requests that may wait; one more is answered 429.")
    deadline_s: float = Field(10.0, gt=0, description="A request not answered by then is answered 504.")
    max_body_kb: int = Field(1024, ge=1, description="Largest request body; a larger one is answered 413.")
    keep_alive_s: int = Field(30, ge=1, description="How long an idle connection stays open.")
    drain_s: int = Field(30, ge=1, description="How long requests in flight may take after SIGTERM.")
    catalogue_poll_s: float = Field(
        2.0, ge=0, description="How often to look for a new version of the catalogue; 0: never."
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="Where the model runs; vLLM chooses for itself."
    )
    engine: str = Field("tree", description="What runs the model: tree, vllm or hf; see genrec recommend --help.")
    cache_mb: float = Field(
        0.0,
        ge=0,
        description="Megabytes of keys and values kept of earlier histories, of each model, for those that begin "
        "alike; 0: none.",
    )
    models: dict[str, str] = Field(
        default={},
        description="Further generators of the same catalogue, by the name that requests give: the folder of a "
        "run, of an alignment, or of a generator.",
    )

    @field_validator("engine")
    @classmethod
    def _exists(cls, engine: str) -> str:
        if engine not in ENGINES:
            raise ValueError(f"unknown engine {engine!r}.{suggest(engine, ENGINES)}")
        return engine

    @field_validator("models")
    @classmethod
    def _plain_names(cls, models: dict[str, str]) -> dict[str, str]:
        for name in models:
            if not re.fullmatch(r"[\w.-]{1,64}", name):
                raise ValueError(f"a model is called {name!r}; use letters, digits, '.', '_' and '-', at most 64")
        return models

    @model_validator(mode="after")
    def _fits_the_engine(self) -> ServeConfig:
        if self.models and self.engine == "vllm":
            raise ValueError("vLLM bears one model a process: leave serve.models out, or take serve.engine=tree")
        if self.cache_mb and self.engine != "tree":
            raise ValueError(f"cache_mb is for serve.engine=tree, not {self.engine}")
        return self
