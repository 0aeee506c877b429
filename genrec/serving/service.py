"""All parts of a running service, and what the API does with them."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from starlette.concurrency import run_in_threadpool

from genrec.errors import ConfigError, suggest
from genrec.serving.answers import Recommendation
from genrec.serving.asking import Ask, resolve
from genrec.serving.batching import Batcher, DeadlineError
from genrec.serving.config import ServeConfig
from genrec.serving.deployment import Deployment, Live
from genrec.serving.histories import People
from genrec.serving.messages import RecommendRequest
from genrec.serving.metrics import CacheMetrics, Metrics
from genrec.serving.neighbours import Neighbours
from genrec.serving.replies import Replies, Terms
from genrec.serving.searching import Found, Searcher


class Model(NamedTuple):
    """A generator that is served.

    Args:
        live: the deployment in use.
        people: the users, their events as this generator reads them.
    """

    live: Live
    people: People


class Service:
    """Answers requests. One thread owns the models; another watches the catalogue.

    Args:
        models: by the name that requests give; the first answers those that give none.
        neighbours: finds similar items.
        config: sizes, deadlines, intervals.
        pictures: the image file of each item that has one.
        terms: the categories of items, for explanations.
    """

    def __init__(
        self,
        models: Mapping[str, Model],
        neighbours: Neighbours,
        config: ServeConfig,
        pictures: Mapping[str, Path] | None = None,
        terms: Terms | None = None,
    ) -> None:
        self.models, self.neighbours, self.config = models, neighbours, config
        self.live, self.people = next(iter(models.values()))
        self.pictures = dict(pictures or {})
        self.replies = Replies(frozenset(self.pictures), terms or {})
        self._searcher = Searcher(config.batch_beams)
        self._batcher: Batcher[Ask, Found] = Batcher(
            self._search, config.max_batch, config.queue, config.batch_wait_ms / 1000
        )
        digests = {name: model.live.current.model for name, model in models.items()}
        self.metrics = Metrics(digests, lambda: len(self._batcher), self._catalogue_figures)
        if config.cache_mb:
            engines = {name: model.live.current.recommender.engine for name, model in models.items()}
            caches = {name: engine.cache_figures for name, engine in engines.items()}
            self.metrics.registry.register(CacheMetrics(caches))
        self._stopping = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="genrec-catalogue", daemon=True)
        self._watcher.start()

    @property
    def ready(self) -> bool:
        """Whether requests are taken."""
        return self._batcher.alive and not self._stopping.is_set()

    @property
    def problem(self) -> str:
        """Why the catalogue's latest version is not served; empty if it is."""
        return " ".join(dict.fromkeys(filter(None, (model.live.problem for model in self.models.values()))))

    async def recommend(self, requests: Sequence[RecommendRequest]) -> tuple[Deployment, list[Recommendation]]:
        """Answer requests for one model, all with one version of the catalogue.

        Raises:
            GenrecError: if the model does not exist, or one asks for something that cannot be had.
            QueueFullError: if too many wait already.
            StoppedError: if the service is shutting down.
            DeadlineError: if there was no answer in time.
        """
        deadline = time.monotonic() + self.config.deadline_s
        model = self._model(requests[0].model)
        deployment = model.live.current
        asks = await self._resolved(requests, deployment, model.people)
        futures = self._batcher.submit(asks, deadline)
        try:
            async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
                waiting = (asyncio.wrap_future(future) for future in futures)
                found = await asyncio.gather(*waiting, return_exceptions=True)
        except TimeoutError:
            raise DeadlineError from None
        if any(ask.request.explain for ask in asks):
            return deployment, await run_in_threadpool(self._worded, asks, found)
        return deployment, self._worded(asks, found)  # sooner done than handed to a thread

    def drain(self) -> None:
        """Say that no more requests should come; those that do are still answered."""
        self._stopping.set()

    def stop(self) -> None:
        """Finish what waits, end the threads and the engine, close the store."""
        self.drain()
        self._batcher.stop()
        self._watcher.join()
        for model in self.models.values():
            model.live.current.recommender.engine.close()
        self.people.store.close()

    def _model(self, name: str | None) -> Model:
        name = next(iter(self.models)) if name is None else name
        if name not in self.models:
            raise ConfigError(f"Unknown model {name!r}.{suggest(name, self.models)}")
        return self.models[name]

    async def _resolved(
        self, requests: Sequence[RecommendRequest], deployment: Deployment, people: People
    ) -> list[Ask]:
        # One user or a list of ids is sooner looked up than handed to a thread, which would have to wait for
        # Python's lock besides: up to 5 ms each time it comes back from the database.
        if len(requests) == 1 and requests[0].titles is None:
            user = requests[0].user_id
            stored = [] if user is None else people.store.at_once(user)
            if stored is not None:
                return [resolve(requests[0], deployment, people, stored)]
        return await run_in_threadpool(lambda: [resolve(one, deployment, people) for one in requests])

    def _worded(self, asks: Sequence[Ask], found: Sequence[Found | BaseException]) -> list[Recommendation]:
        answers = []
        for ask, one in zip(asks, found, strict=True):
            if isinstance(one, BaseException):
                raise one
            answers.append(self.replies.recommendation(ask, one))
        return answers

    def _search(self, asks: Sequence[Ask]) -> list[Found | Exception]:
        of_model: dict[str, list[int]] = defaultdict(list)
        for at, ask in enumerate(asks):
            of_model[ask.deployment.name].append(at)
        results: dict[int, Found | Exception] = {}
        for name, members in of_model.items():
            results |= zip(members, self._search_of(name, [asks[at] for at in members]), strict=True)
        return [results[at] for at in range(len(asks))]

    def _search_of(self, name: str, asks: Sequence[Ask]) -> list[Found | Exception]:
        started, metrics = time.perf_counter(), self.metrics
        found = self._searcher(asks)
        metrics.searches.labels(name).observe(time.perf_counter() - started)
        metrics.batches.labels(name).observe(len(asks))
        metrics.beams.labels(name).inc(sum(ask.width * (ask.request.session or 1) for ask in asks))
        return found

    def _watch(self) -> None:
        every = self.config.catalogue_poll_s
        while every and not self._stopping.wait(every):
            for model in self.models.values():
                model.live.check()

    def _catalogue_figures(self, name: str) -> tuple[int, int, int]:
        live = self.models[name].live
        return live.current.number, len(live.current.catalogue), live.swaps
