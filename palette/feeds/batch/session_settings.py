"""Spark settings of a source: applied to the session for a run, or when the run starts Spark itself."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from palette.definitions import BatchSource
from palette.errors import SessionWarning

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from palette.definitions import FeatureGroup

__all__ = ["session_settings", "startup_settings"]


def startup_settings(groups: Iterable[FeatureGroup]) -> dict[str, str]:
    """Return the settings with which a session for these groups starts; the first group with a setting decides.

    Examples
    --------
    >>> from palette import Feature, FeatureGroup
    >>> resources = {"spark.executor.memory": "8g", "spark.sql.shuffle.partitions": 200}
    >>> source = BatchSource(sql="SELECT * FROM dishes", resources=resources)
    >>> startup_settings([FeatureGroup("menu", entity="shop", features=[Feature("x", "int")], source=source)])
    {'spark.executor.memory': '8g'}
    """
    settings: dict[str, str] = {}
    for group in groups:
        if isinstance(group.source, BatchSource):
            settings = {**group.source.startup_resources(), **settings}
    return settings


@contextlib.contextmanager
def session_settings(spark: SparkSession, group: FeatureGroup) -> Iterator[None]:
    """Apply the settings of a group's source while a block runs, and restore the previous values after it.

    Warns
    -----
    SessionWarning
        If a setting can only be given when a session starts, and this one has another value.
    """
    late, previous = [], {}
    settings = group.source.resources if isinstance(group.source, BatchSource) else {}
    for name, value in settings.items():
        current = spark.conf.get(name, None)
        if current == value:
            continue
        if spark.conf.isModifiable(name):
            previous[name] = current
        else:
            late.append(f"{name}={value} (it has {current or 'no value'})")
    if late:
        warnings.warn(
            f"{group.full_name}: the running session cannot change {', '.join(late)}: start Spark with these settings",
            SessionWarning,
            stacklevel=3,
        )
    try:
        for name in previous:
            spark.conf.set(name, settings[name])
        yield
    finally:
        for name, value in previous.items():
            if value is None:
                spark.conf.unset(name)
            else:
                spark.conf.set(name, value)
