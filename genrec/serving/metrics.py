"""What Prometheus reads at ``/metrics``."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_COUNTS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """Counters and histograms of one service, in a registry of its own.

    Args:
        model: the digest of the generator.
        waiting: returns how many requests wait.
        catalogue: returns the version in use, its items, and how often it was swapped.
    """

    def __init__(
        self, model: str, waiting: Callable[[], int], catalogue: Callable[[], tuple[int, int, int]]
    ) -> None:
        self.registry = CollectorRegistry()
        own = self.registry
        self.requests = Histogram(
            "genrec_request_seconds", "Time to answer.", ["route", "status"], registry=own, buckets=_SECONDS
        )
        self.refused = Counter("genrec_refused", "Requests that were refused.", ["reason"], registry=own)
        self.batches = Histogram(
            "genrec_batch_requests", "Requests searched at once.", buckets=_COUNTS, registry=own
        )
        self.searches = Histogram(
            "genrec_search_seconds", "Time of a batch's search.", buckets=_SECONDS, registry=own
        )
        self.beams = Counter("genrec_beams", "Beams searched.", registry=own)
        self.feedback = Counter("genrec_feedback_events", "Events stored.", registry=own)
        for name, text, read in (
            ("genrec_queue_requests", "Requests that wait.", waiting),
            ("genrec_catalogue_version", "Number of the catalogue's version in use.", lambda: catalogue()[0]),
            ("genrec_catalogue_items", "Items that can be recommended.", lambda: catalogue()[1]),
            ("genrec_catalogue_swaps", "Versions taken since the start.", lambda: catalogue()[2]),
        ):
            Gauge(name, text, registry=own).set_function(read)
        Gauge("genrec_model_info", "The generator's digest.", ["model"], registry=own).labels(model).set(1)

    def text(self) -> bytes:
        """Return all values in Prometheus' text format."""
        return generate_latest(self.registry)
