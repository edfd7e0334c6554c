"""Prometheus metrics. Labels are routes, loaded models and groups, and error kinds, so their number is bounded."""

from __future__ import annotations

import os
from collections import Counter as Tally
from collections import deque
from collections.abc import Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest

from palette.serving.plan import LookupStep, Plan

__all__ = ["CONTENT_TYPE", "Metrics", "ModelMetrics"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
MULTIPROCESS = "PROMETHEUS_MULTIPROC_DIR"
REQUEST_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
# Distinct tuples of statuses that are counted before they are added to the metrics.
MAX_PENDING = 512
# Plans of a model whose metrics are flushed, the current one included.
MAX_PLANS = 8

disable_created_metrics()


class Metrics:
    """Metrics of one process; with several workers, Prometheus' multiprocess directory adds them up."""

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()
        self.requests = Counter("palette_requests", "Requests.", ["route", "status"], registry=registry)
        self.seconds = Histogram(
            "palette_request_seconds",
            "Seconds from the headers of a request to the end of its response.",
            ["route"],
            buckets=REQUEST_SECONDS,
            registry=registry,
        )
        self.errors = Counter("palette_errors", "Requests and rows that failed.", ["kind"], registry=registry)
        self.rows = Counter("palette_rows", "Rows scored.", ["model"], registry=registry)
        self.rejected = Counter(
            "palette_rows_rejected", "Rows dropped by handleInvalid='skip'.", ["model"], registry=registry
        )
        self.unknown = Counter(
            "palette_unknown_columns", "Columns of rows unknown to the model.", ["model"], registry=registry
        )
        self.degraded = Counter(
            "palette_rows_degraded", "Rows answered from defaults: the store failed.", ["model"], registry=registry
        )
        self.values = Counter(
            "palette_values",
            "Looked-up values: present, null, expired or missing.",
            ["model", "group", "status"],
            registry=registry,
        )
        self.levels = Histogram(
            "palette_level_seconds",
            "Seconds of one read of a remote store, by level of the plan.",
            ["model", "level"],
            buckets=REQUEST_SECONDS,
            registry=registry,
        )
        self.cache_hits = Counter("palette_near_cache_hits", "Rows read from the near cache.", registry=registry)
        self.cache_misses = Counter("palette_near_cache_misses", "Rows missing in the near cache.", registry=registry)
        self.log_written = Counter("palette_served_log_rows", "Rows written to the served log.", registry=registry)
        self.log_dropped = Counter(
            "palette_served_log_dropped", "Rows lost by the served log.", ["reason"], registry=registry
        )
        self.loads = Counter("palette_bundle_loads", "Bundles read.", ["model", "outcome"], registry=registry)
        self.loaded = Gauge(
            "palette_model_loaded",
            "Time at which the current bundle was read, in seconds since 1970.",
            ["model"],
            registry=registry,
            multiprocess_mode="livemin",
        )
        self._models: dict[str, deque[ModelMetrics]] = {}
        self._totals: Tally[str] = Tally()

    def model(self, name: str, plan: Plan) -> ModelMetrics:
        """Return new metrics for the answers of a plan, under a model's name."""
        model = ModelMetrics(self, name, plan)
        # Earlier ones are retained for a while, because requests that started on them may still be counted.
        self._models.setdefault(name, deque(maxlen=MAX_PLANS)).append(model)
        return model

    def raise_to(self, counter: Counter, name: str, total: int) -> None:
        """Raise a counter to a total that another module counts."""
        counter.inc(max(0, total - self._totals[name]))
        self._totals[name] = total

    def flush(self) -> None:
        """Add the counts of all models to the metrics."""
        for models in list(self._models.values()):
            for model in list(models):
                model.flush()

    def render(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        self.flush()
        registry = self._registry
        if os.environ.get(MULTIPROCESS):
            from prometheus_client.multiprocess import MultiProcessCollector

            registry = CollectorRegistry()
            MultiProcessCollector(registry)
        return generate_latest(registry)


class ModelMetrics:
    """Metrics of the answers of one model.

    The statuses of an answer form one tuple, and tuples are counted: one dictionary update per row.
    """

    def __init__(self, metrics: Metrics, name: str, plan: Plan) -> None:
        self._metrics = metrics
        self._name = name
        self._rows = metrics.rows.labels(name)
        self.rejected = metrics.rejected.labels(name)
        self.unknown = metrics.unknown.labels(name)
        self.degraded = metrics.degraded.labels(name)
        lookups = [step for step in plan.steps if isinstance(step, LookupStep)]
        self._groups = {f"{column}__status": step.group.full_name for step in lookups for column in step.columns}
        self._statuses: Tally[tuple[str, ...]] = Tally()
        self._levels: dict[int, Any] = {}

    @property
    def statuses(self) -> tuple[str, ...]:
        """The keys of an answer that hold the status of each looked-up value."""
        return tuple(self._groups)

    def count(self, statuses: tuple[str, ...]) -> None:
        """Count a row, and the statuses of its values."""
        self._statuses[statuses] += 1
        if len(self._statuses) > MAX_PENDING:
            self.flush()

    def level(self, level: int, seconds: float) -> None:
        """Record the duration of a level's read."""
        if level not in self._levels:
            self._levels[level] = self._metrics.levels.labels(self._name, str(level))
        self._levels[level].observe(seconds)

    def flush(self) -> None:
        """Add the counted statuses to the metrics."""
        counted, self._statuses = self._statuses, Tally()
        totals: Tally[tuple[str, str]] = Tally()
        groups = tuple(self._groups.values())
        self._rows.inc(counted.total())
        for statuses, times in counted.items():
            # Empty where an output of the plan has the name of a status.
            if not statuses:
                continue
            for group, status in zip(groups, statuses, strict=True):
                totals[group, status] += times
        self._add(totals)

    def _add(self, totals: Mapping[tuple[str, str], int]) -> None:
        for (group, status), times in totals.items():
            self._metrics.values.labels(self._name, group, status).inc(times)
