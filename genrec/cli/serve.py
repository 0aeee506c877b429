"""``genrec serve``: recommendations over HTTP, with a page to try them."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from genrec.cli.common import ConfigOption, DryRunOption, JsonOption, Overrides, RunOption, invoke, show
from genrec.errors import MissingPackageError


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command(name="serve")(serve)


def serve(
    overrides: Overrides = None,
    config: ConfigOption = None,
    run: RunOption = None,
    port: Annotated[
        int | None, typer.Option("--port", "-p", min=0, max=65535, help="Wins over serve.port; 0: a free one.")
    ] = None,
    generator: Annotated[
        str | None, typer.Option("--generator", "-g", help="A generator's folder or hub id, instead of the run's.")
    ] = None,
    export: Annotated[
        Path | None, typer.Option("--export", help="Write the feedback so far as a CSV log, and serve nothing.")
    ] = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Serve a run's generator over HTTP at 127.0.0.1, with a page at `/` to try it.

    `POST /v1/recommend` takes a stored user, item ids or titles, one or several at once; `POST /v1/feedback` adds
    to users' histories, which are kept in `feedback.sqlite` of the run folder, or in PostgreSQL or Redis
    (`serve.histories`); `/openapi.json` describes all of it.
    `serve.models.NAME=FOLDER` serves a further generator of the same catalogue: the page offers both, and a request
    may say `"model": "NAME"`.
    New versions of the catalogue (`genrec catalogue`) are served as soon as they are there. `/metrics` is for
    Prometheus. If the environment variable GENREC_TOKEN is set, requests need it as their bearer token.

    `--export` writes the feedback as a log with the columns of a dataset's interactions: append it to the log that
    `genrec data` reads, and the next training learns from it.

    Example: `genrec serve --run runs/demo`

    Example: `genrec serve --run runs/demo --port 9000 serve.host=0.0.0.0 serve.max_batch=32`

    Example: `genrec serve --run runs/demo serve.models.aligned=runs/demo/align`
    """
    ports = [] if port is None else [f"serve.port={port}"]
    call = invoke(config, run, [*(overrides or []), *ports], dry_run=dry_run, as_json=as_json)
    if call is None:
        return
    _need_packages()
    from genrec.serving.config import ServeConfig

    settings = call.settings.section("serve", ServeConfig)
    if export is not None:
        show(_export(settings.histories, call.run, export), as_json)
        return
    from genrec.serving.loading import load_service
    from genrec.serving.server import listen
    from genrec.serving.server import serve as serve_until_told

    with listen(settings.host, settings.port) as listening:  # a port in use is told before a model is loaded
        service = load_service(call.run, settings, generator, _terms(call.run), apart=True)
        serve_until_told(service, listening)


def _need_packages() -> None:
    from importlib.util import find_spec

    for package in ("fastapi", "uvicorn", "prometheus_client"):
        if find_spec(package) is None:
            raise MissingPackageError(package, "genrec serve", "pip install 'genrec[serve]'")


def _export(histories: str, run: Path, file: Path) -> dict[str, object]:
    """Write the feedback as CSV; return how much it was."""
    from dataclasses import astuple, fields

    from genrec.serving.histories import StoredEvent, open_histories

    store, count = open_histories(histories, run), 0
    with file.open("w", newline="", encoding="utf-8") as stream:
        rows = csv.writer(stream)
        rows.writerow(field.name for field in fields(StoredEvent))
        for event in store.log():
            rows.writerow(astuple(event))
            count += 1
    store.close()
    return {"log": str(file), "events": count}


def _terms(run: Path) -> Mapping[str, Sequence[str]]:
    """Return the categories of the items, as far as the run's dataset knows them."""
    from genrec.data import Dataset
    from genrec_alignment.tasks.texts import item_texts

    if not (run / "dataset").is_dir():
        return {}
    dataset = Dataset.load(run / "dataset")
    return dict(zip(dataset.item_ids, item_texts(dataset.items, None, None, 0).terms, strict=True))
