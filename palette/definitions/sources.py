"""Where the rows of a feature group come from."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, field_serializer, field_validator, model_validator

from palette.definitions.aggregates import Aggregate, aggregate_features, check_aggregates, parse_aggregate
from palette.definitions.base import Definition, checked_name, duration, duration_text, unique
from palette.definitions.features import Feature

__all__ = ["BatchSource", "RPCSource", "Source", "StreamSource"]


class BatchSource(Definition):
    """Rows computed from history, by Spark SQL or by a DataFrame function.

    With ``aggregates`` the query or function gives raw events, and the rows are computed from these: one at each
    end of a window, see :mod:`palette.feeds.aggregates`.

    Parameters
    ----------
    sql : str, optional
        A Spark SQL query whose columns are those of the feature group.
    function : str, optional
        ``"module:name"`` of a function that returns a DataFrame; one of ``sql`` and ``function`` is given.
    schedule : str, optional
        A cron expression.
    lookback : timedelta or str, optional
        How far behind the newest event time a run looks again, for late rows.
    aggregates : sequence of Aggregate, optional
        What is computed from the events.
    every : timedelta or str, optional
        How often windows end, ``"1h"``, counted from 1970 in UTC; each window is a multiple of it.
    by : sequence of str, optional
        Columns of the events with the entity's keys, in the entity's order; by default they are called like the keys.
    time : str, optional
        Column of the events with their time: TIMESTAMP, or TIMESTAMP_NTZ or DATE, read as UTC.

    Raises
    ------
    DefinitionError
        If aggregates lack ``every`` or ``time``, a window does not fit, or names clash.

    Examples
    --------
    >>> BatchSource(sql="SELECT * FROM orders_daily", schedule="0 3 * * *").kind
    'batch'
    >>> orders = BatchSource(sql="SELECT * FROM orders", every="1h", time="ordered_at", by=["r_id"],
    ...                      aggregates=[Aggregate("order_value", "sum", windows=["1h", "7d"])])
    >>> orders.features()
    (Feature('order_value_sum_1h', 'double'), Feature('order_value_sum_7d', 'double'))
    """

    kind: Literal["batch"] = "batch"
    sql: str | None = None
    function: str | None = Field(default=None, pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")
    schedule: str | None = None
    lookback: timedelta | None = None
    aggregates: tuple[Aggregate, ...] = ()
    every: timedelta | None = None
    by: tuple[str, ...] = ()
    time: str | None = None

    @field_validator("aggregates", mode="before")
    @classmethod
    def _aggregates(cls, written: Any) -> Any:
        return tuple(parse_aggregate(one) for one in written) if isinstance(written, (list, tuple)) else written

    @field_validator("every", "lookback", mode="before")
    @classmethod
    def _span(cls, span: Any) -> Any:
        # What YAML wrote of a lookback is ISO 8601.
        return duration(span) if isinstance(span, str) and not span.startswith(("P", "-P")) else span

    @field_validator("lookback")
    @classmethod
    def _not_ahead(cls, lookback: timedelta | None) -> timedelta | None:
        if lookback is not None and lookback < timedelta(0):
            raise ValueError(f"must not be negative, found {lookback}")
        return lookback

    @field_serializer("every")
    def _plain_every(self, every: timedelta | None) -> str | None:
        return None if every is None else duration_text(every, weeks=False)

    @field_serializer("aggregates")
    def _plain_aggregates(self, aggregates: tuple[Aggregate, ...]) -> list[dict[str, Any]]:
        return [aggregate.model_dump(mode="json", exclude_defaults=True) for aggregate in aggregates]

    @model_validator(mode="after")
    def _one_definition(self) -> BatchSource:
        if (self.sql is None) == (self.function is None):
            raise ValueError("a batch source has either sql or function")
        return self

    @model_validator(mode="after")
    def _aggregates_on_a_grid(self) -> BatchSource:
        if self.aggregates:
            check_aggregates(self.aggregates, self.every, self.time)
        elif self.every is not None or self.by or self.time is not None:
            raise ValueError("every, by and time say how events are aggregated: give aggregates too, or leave them out")
        for column in (*self.by, *([self.time] if self.time is not None else [])):
            checked_name(column, "column")
        unique(self.by, "key column")
        return self

    def features(self) -> tuple[Feature, ...]:
        """Return the features that the aggregates give, for ``FeatureGroup(features=source.features())``."""
        return aggregate_features(self.aggregates)


class StreamSource(Definition):
    """Rows computed seconds ago, by streaming SQL over a topic.

    Parameters
    ----------
    topic : str
        The topic to read.
    event_schema : dict of str to str
        Column name to type of the events, written ``schema`` in YAML.
    sql : str
        Streaming SQL over the view ``events``.
    watermark : timedelta, optional
        How late an event may come.

    Examples
    --------
    >>> StreamSource(topic="orders", schema={"r_id": "string"}, sql="SELECT * FROM events").kind
    'stream'
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    kind: Literal["stream"] = "stream"
    topic: str = Field(min_length=1)
    event_schema: dict[str, str] = Field(alias="schema")
    sql: str
    watermark: timedelta | None = None


class RPCSource(Definition):
    """Values fetched at request time from another service.

    Parameters
    ----------
    url : str
        A URL template with the key columns in braces: ``"https://geo.example/{courier_uuid}"``.
    mapping : dict of str to str
        Feature name to the field of the answer.
    timeout : timedelta
        After this the values are missing.

    Examples
    --------
    >>> RPCSource(url="http://localhost/{r_id}", mapping={"lat": "position.lat"}).timeout
    datetime.timedelta(microseconds=100000)
    """

    kind: Literal["rpc"] = "rpc"
    url: str
    mapping: dict[str, str]
    timeout: timedelta = timedelta(milliseconds=100)

    @field_validator("url")
    @classmethod
    def _http(cls, url: str) -> str:
        scheme, _, rest = url.partition("://")
        if "@" in re.split(r"[/?#]", rest)[0]:
            raise ValueError("the URL holds a user or password, which the catalog would show to everyone; take it out")
        if scheme not in ("http", "https") or not url.isprintable() or " " in url:
            raise ValueError(f"an RPC source takes an http or https URL, found {url!r:.200}")
        return url


Source = Annotated[BatchSource | StreamSource | RPCSource, Field(discriminator="kind")]
