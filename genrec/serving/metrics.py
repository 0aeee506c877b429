"""What Prometheus reads at ``/metrics``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from genrec.decoding.prefix_cache import CacheFigures

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_COUNTS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """Counters and histograms of one service, in a registry of its own.

    Args:
        models: the digest of each generator, by name.
        waiting: returns how many requests wait.
        catalogue: returns of the model of a name: the version in use, its items, how often it was swapped.
    """

    def __init__(
        self,
        models: Mapping[str, str],
        waiting: Callable[[], int],
        catalogue: Callable[[str], tuple[int, int, int]],
    ) -> None:
        self.registry = CollectorRegistry()
        own = self.registry
        self.requests = Histogram(
            "genrec_request_seconds", "Time to answer.", ["route", "status"], registry=own, buckets=_SECONDS
        )
        self.refused = Counter("genrec_refused", "Requests that were refused.", ["reason"], registry=own)
        self.batches = Histogram(
            "genrec_batch_requests", "Requests searched at once.", ["model"], buckets=_COUNTS, registry=own
        )
        self.searches = Histogram(
            "genrec_search_seconds", "Time of a batch's search.", ["model"], buckets=_SECONDS, registry=own
        )
        self.beams = Counter("genrec_beams", "Beams searched.", ["model"], registry=own)
        self.feedback = Counter("genrec_feedback_events", "Events stored.", registry=own)
        Gauge("genrec_queue_requests", "Requests that wait.", registry=own).set_function(waiting)
        for at, (figure, text) in enumerate(
            (
                ("genrec_catalogue_version", "Number of the catalogue's version in use."),
                ("genrec_catalogue_items", "Items that can be recommended."),
                ("genrec_catalogue_swaps", "Versions taken since the start."),
            )
        ):
            gauge = Gauge(figure, text, ["model"], registry=own)
            for name in models:
                gauge.labels(name).set_function(partial(_part, catalogue, name, at))
        known = Gauge("genrec_model_info", "The generators' digests.", ["model", "digest"], registry=own)
        for name, digest in models.items():
            known.labels(name, digest).set(1)

    def text(self) -> bytes:
        """Return all values in Prometheus' text format."""
        return generate_latest(self.registry)


class CacheMetrics(Collector):
    """How the models' caches of earlier histories fare; each is asked once for every reading.

    Args:
        figures: returns those of a model, by its name.
    """

    def __init__(self, figures: Mapping[str, Callable[[], CacheFigures]]) -> None:
        self._figures = figures

    def collect(self) -> Iterable[Metric]:
        """Return all values."""
        hits = CounterMetricFamily("genrec_cache_hits", "Histories known for the most part.", labels=["model"])
        misses = CounterMetricFamily("genrec_cache_misses", "Histories read as a whole.", labels=["model"])
        held = GaugeMetricFamily("genrec_cache_bytes", "Keys and values that are kept.", labels=["model"])
        for name, read in self._figures.items():
            figures = read()
            hits.add_metric([name], figures.hits)
            misses.add_metric([name], figures.misses)
            held.add_metric([name], figures.bytes)
        return hits, misses, held


def _part(figures: Callable[[str], tuple[int, int, int]], name: str, at: int) -> int:
    return figures(name)[at]
