"""All parts of a running service, and what the API does with them."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from starlette.concurrency import run_in_threadpool

from genrec.serving.answers import Recommendation
from genrec.serving.asking import Ask, resolve
from genrec.serving.batching import Batcher, DeadlineError
from genrec.serving.config import ServeConfig
from genrec.serving.deployment import Deployment, Live
from genrec.serving.histories import People
from genrec.serving.messages import RecommendRequest
from genrec.serving.metrics import Metrics
from genrec.serving.neighbours import Neighbours
from genrec.serving.replies import Replies, Terms
from genrec.serving.searching import Found, Searcher


class Service:
    """Answers requests. One thread owns the model; another watches the catalogue.

    Args:
        live: the deployment in use.
        people: the users.
        neighbours: finds similar items.
        config: sizes, deadlines, intervals.
        pictures: the image file of each item that has one.
        terms: the categories of items, for explanations.
    """

    def __init__(
        self,
        live: Live,
        people: People,
        neighbours: Neighbours,
        config: ServeConfig,
        pictures: Mapping[str, Path] | None = None,
        terms: Terms | None = None,
    ) -> None:
        self.live, self.people, self.neighbours, self.config = live, people, neighbours, config
        self.pictures = dict(pictures or {})
        self.replies = Replies(frozenset(self.pictures), terms or {})
        self._searcher = Searcher(config.batch_beams)
        self._batcher: Batcher[Ask, Found] = Batcher(
            self._search, config.max_batch, config.queue, config.batch_wait_ms / 1000
        )
        self.metrics = Metrics(live.current.model, lambda: len(self._batcher), self._catalogue_figures)
        self._stopping = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="genrec-catalogue", daemon=True)
        self._watcher.start()

    @property
    def ready(self) -> bool:
        """Whether requests are taken."""
        return self._batcher.alive and not self._stopping.is_set()

    async def recommend(self, requests: Sequence[RecommendRequest]) -> tuple[Deployment, list[Recommendation]]:
        """Answer requests, all with one version of the catalogue.

        Raises:
            GenrecError: if one asks for something that cannot be had.
            QueueFullError: if too many wait already.
            StoppedError: if the service is shutting down.
            DeadlineError: if there was no answer in time.
        """
        deadline = time.monotonic() + self.config.deadline_s
        deployment = self.live.current
        asks = await run_in_threadpool(self._resolved, requests, deployment)
        futures = self._batcher.submit(asks, deadline)
        try:
            async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
                waiting = (asyncio.wrap_future(future) for future in futures)
                found = await asyncio.gather(*waiting, return_exceptions=True)
        except TimeoutError:
            raise DeadlineError from None
        return deployment, await run_in_threadpool(self._worded, asks, found)

    def drain(self) -> None:
        """Say that no more requests should come; those that do are still answered."""
        self._stopping.set()

    def stop(self) -> None:
        """Finish what waits, end the threads and the engine, close the store."""
        self.drain()
        self._batcher.stop()
        self._watcher.join()
        self.live.current.recommender.engine.close()
        self.people.store.close()

    def _resolved(self, requests: Sequence[RecommendRequest], deployment: Deployment) -> list[Ask]:
        return [resolve(request, deployment, self.people) for request in requests]

    def _worded(self, asks: Sequence[Ask], found: Sequence[Found | BaseException]) -> list[Recommendation]:
        answers = []
        for ask, one in zip(asks, found, strict=True):
            if isinstance(one, BaseException):
                raise one
            answers.append(self.replies.recommendation(ask, one))
        return answers

    def _search(self, asks: Sequence[Ask]) -> list[Found | Exception]:
        started = time.perf_counter()
        found = self._searcher(asks)
        self.metrics.searches.observe(time.perf_counter() - started)
        self.metrics.batches.observe(len(asks))
        self.metrics.beams.inc(sum(ask.width * (ask.request.session or 1) for ask in asks))
        return found

    def _watch(self) -> None:
        every = self.config.catalogue_poll_s
        while every and not self._stopping.wait(every):
            self.live.check()

    def _catalogue_figures(self) -> tuple[int, int, int]:
        current = self.live.current
        return current.number, len(current.catalogue), self.live.swaps
