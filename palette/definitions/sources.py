"""Sources of feature groups: batch queries, streams and remote services."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, field_serializer, field_validator, model_validator

from palette.definitions.aggregates import Aggregate, aggregate_features, check_aggregates, parse_aggregate, split_keys
from palette.definitions.base import Definition, Names, Span, check_unique, validate_name
from palette.definitions.cron import parse_schedule
from palette.definitions.features import Feature
from palette.errors import DefinitionError, nearest

__all__ = ["DEFAULT_LOOKBACK", "BatchSource", "RPCSource", "Source", "StreamSource", "parse_source"]

# For sources that do not declare a lookback.
DEFAULT_LOOKBACK = timedelta(days=1)
FUNCTION = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
SETTING = re.compile(r"spark\.[\w.]+")
# What begins so can be set in a running session.
RUNTIME = ("spark.sql.", "spark.databricks.delta.")
# By these words Spark itself hides values of settings.
SECRET = re.compile(r"secret|password|passwd|token|access[.]?key|credential", re.IGNORECASE)


class BatchSource(Definition):
    """Rows computed from history, by Spark SQL or by a DataFrame function.

    With ``aggregates`` the query or function returns raw events, and the rows are computed from them: one at each
    end of a window, see :mod:`palette.feeds.windows.aggregates`.

    Parameters
    ----------
    sql : str, optional
        A Spark SQL query whose columns are those of the feature group.
    function : str or function, optional
        A function at the top level of a module that returns a DataFrame, stored as ``"module:name"``; exactly one of
        ``sql`` and ``function`` is required.
    schedule : str, optional
        A cron expression of five fields. It is metadata for your scheduler; palette runs nothing by itself.
    lookback : timedelta or str, optional
        How far before the watermark, the newest event time read from the source, a run reads again, to see late and
        corrected rows: one day by default, ``"0s"`` to read nothing again.
    aggregates : sequence of Aggregate, optional
        Aggregates computed from the events.
    every : timedelta or str, optional
        Interval between window ends, ``"1h"``, aligned to 1970 in UTC; each window is a multiple of it.
    by : str or sequence of str, optional
        Columns of the events with the entity's keys, in the entity's order; by default those that its aggregates
        declare, else the names of the keys.
    time : str, optional
        Column of the events with their time: TIMESTAMP, or TIMESTAMP_NTZ or DATE, read as UTC.
    resources : mapping of str to str, int, float or bool
        Spark settings of its runs, ``{"spark.sql.shuffle.partitions": "200", "spark.executor.memory": "8g"}``: those of
        SQL are applied while a run lasts, others when a run starts Spark itself, see docs/feeds.md.

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
    function: str | None = None
    schedule: str | None = None
    lookback: Span | None = None
    aggregates: tuple[Aggregate, ...] = ()
    every: Span | None = None
    by: Names = ()
    time: str | None = None
    resources: dict[str, str] = Field(default={})

    def __hash__(self) -> int:
        # A dict has no hash.
        return hash((self.sql, self.function, self.schedule))

    @model_validator(mode="before")
    @classmethod
    def _parsed(cls, data: Any) -> Any:
        if not isinstance(data, dict) or not isinstance(data.get("aggregates"), (list, tuple)):
            return data
        aggregates = [parse_aggregate(item) for item in data["aggregates"]]
        by = data.get("by", ())
        if isinstance(by, str) or (isinstance(by, (list, tuple)) and all(isinstance(column, str) for column in by)):
            aggregates, by = split_keys(aggregates, by)
        return {**data, "aggregates": tuple(aggregates), "by": by}

    @field_validator("function", mode="before")
    @classmethod
    def _importable_name(cls, function: Any) -> Any:
        return function_name(function) if callable(function) else function

    @field_validator("function")
    @classmethod
    def _module_function(cls, function: str | None) -> str | None:
        if function is not None and not FUNCTION.fullmatch(function):
            raise ValueError(
                f"{function!r:.200} is not the name of a function: write module:function, or pass the function itself"
            )
        return function

    @field_validator("sql")
    @classmethod
    def _query(cls, sql: str | None) -> str | None:
        return None if sql is None else validate_query(sql)

    @field_validator("schedule")
    @classmethod
    def _cron(cls, schedule: str | None) -> str | None:
        return None if schedule is None else parse_schedule(schedule)

    @field_validator("resources", mode="before")
    @classmethod
    def _settings(cls, resources: Any) -> Any:
        return checked_settings(resources) if isinstance(resources, Mapping) else resources

    @field_validator("lookback")
    @classmethod
    def _not_negative(cls, lookback: timedelta | None) -> timedelta | None:
        if lookback is not None and lookback < timedelta(0):
            raise ValueError(f"must not be negative, found {lookback}")
        return lookback

    @field_serializer("aggregates")
    def _plain_aggregates(self, aggregates: tuple[Aggregate, ...]) -> list[dict[str, Any]]:
        return [aggregate.model_dump(mode="json", exclude_defaults=True) for aggregate in aggregates]

    @model_validator(mode="after")
    def _sql_or_function(self) -> BatchSource:
        if (self.sql is None) == (self.function is None):
            raise ValueError("a batch source needs either sql or function")
        return self

    @model_validator(mode="after")
    def _aggregates_on_a_grid(self) -> BatchSource:
        if self.aggregates:
            check_aggregates(self.aggregates, self.every, self.time)
        elif self.every is not None or self.by or self.time is not None:
            raise ValueError("every, by and time configure aggregates: add aggregates, or remove them")
        for column in (*self.by, *([self.time] if self.time is not None else [])):
            validate_name(column, "column")
        check_unique(self.by, "key column")
        return self

    def startup_resources(self) -> dict[str, str]:
        """Return the resources that a running session cannot change: Spark has to start with them.

        Examples
        --------
        >>> resources = {"spark.executor.memory": "8g", "spark.sql.shuffle.partitions": 200}
        >>> BatchSource(sql="SELECT * FROM orders", resources=resources).startup_resources()
        {'spark.executor.memory': '8g'}
        """
        return {name: value for name, value in self.resources.items() if not name.startswith(RUNTIME)}

    def features(self) -> tuple[Feature, ...]:
        """Return the features that the aggregates compute, for ``FeatureGroup(features=source.features())``."""
        return aggregate_features(self.aggregates)


class StreamSource(Definition):
    """Rows computed within seconds by streaming SQL over a topic.

    Parameters
    ----------
    topic : str
        The topic to read.
    event_schema : dict of str to str
        Column name to type of the events, written ``schema`` in YAML.
    sql : str
        Streaming SQL over the view ``events``.
    watermark : timedelta or str, optional
        How late an event may arrive.

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
    watermark: Span | None = None

    @field_validator("sql")
    @classmethod
    def _query(cls, sql: str) -> str:
        return validate_query(sql)


class RPCSource(Definition):
    """Values fetched at request time from another service.

    Parameters
    ----------
    url : str
        A URL template with the key columns in braces: ``"https://geo.example/{courier_uuid}"``.
    mapping : dict of str to str
        Feature name to the field of the response.
    timeout : timedelta or str
        After it the values are missing.

    Examples
    --------
    >>> RPCSource(url="http://localhost/{r_id}", mapping={"lat": "position.lat"}).timeout
    datetime.timedelta(microseconds=100000)
    """

    kind: Literal["rpc"] = "rpc"
    url: str
    mapping: dict[str, str]
    timeout: Span = timedelta(milliseconds=100)

    @field_validator("url")
    @classmethod
    def _http(cls, url: str) -> str:
        scheme, _, rest = url.partition("://")
        if "@" in re.split(r"[/?#]", rest)[0]:
            raise ValueError("the URL contains a user or password, which the catalog would show to everyone; remove it")
        if scheme not in ("http", "https") or not url.isprintable() or " " in url:
            raise ValueError(f"an RPC source needs an http or https URL, found {url!r:.200}")
        return url


def validate_query(sql: str) -> str:
    """Return a query; raise :class:`ValueError` if it is blank."""
    if not sql.strip(" \t\r\n;"):
        raise ValueError("a query is missing: write one such as SELECT * FROM orders")
    return sql


def checked_settings(settings: Mapping[Any, Any]) -> dict[str, str]:
    """Return Spark settings as strings; raise :class:`ValueError` for an invalid name or value, or a secret.

    Examples
    --------
    >>> checked_settings({"spark.sql.shuffle.partitions": 200, "spark.sql.adaptive.enabled": True})
    {'spark.sql.shuffle.partitions': '200', 'spark.sql.adaptive.enabled': 'true'}
    """
    checked = {}
    for name, value in settings.items():
        if not isinstance(name, str) or not SETTING.fullmatch(name):
            raise ValueError(f"invalid Spark setting {name!r:.200} (expected a name such as spark.executor.memory)")
        if SECRET.search(name):
            raise ValueError(f"{name} is a secret, which the catalog would show to everyone: set it in the session")
        if not isinstance(value, (str, int, float)) or (isinstance(value, str) and not value.strip()):
            raise ValueError(f"{name}: expected a string or a number, found {value!r:.200}")
        checked[name] = str(value).lower() if isinstance(value, bool) else str(value)
    return checked


def function_name(function: Callable[..., Any]) -> str:
    """Return the name ``module:function`` by which another process imports a function.

    Raises
    ------
    ValueError
        If it cannot be imported; the message names the remedy.

    Examples
    --------
    >>> import json
    >>> function_name(json.dumps)
    'json:dumps'
    """
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    move = "write it with def at the top level of a module, which the store's configuration allows (feeds: modules)"
    if not isinstance(module, str) or not isinstance(name, str):
        raise ValueError(f"{function!r:.200} is not a function of a module: {move}")  # noqa: TRY004  pydantic's
    if module == "__main__":
        raise ValueError(
            f"{name!r} is defined in this script, which another process cannot import: {move}, and import it"
        )
    if not name.isidentifier():
        raise ValueError(
            f"{name!r} of {module} is a lambda, method or nested function, which cannot be imported by name: {move}"
        )
    return f"{module}:{name}"


def parse_source(declared: Any) -> Any:
    """Return a source declared in YAML as a source object; anything else unchanged.

    Raises
    ------
    DefinitionError
        If its kind is missing or unknown, or it is wrong.
    """
    if declared is None or isinstance(declared, Definition):
        return declared
    if not isinstance(declared, dict):
        raise DefinitionError(f"source: expected a mapping, for example {{kind: batch}}, found {declared!r:.80}")
    kind = declared.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        known = ", ".join(KINDS)
        problem = "kind is missing" if kind is None else f"unknown kind {kind!r:.80}{nearest(str(kind)[:80], KINDS)}"
        raise DefinitionError(f"source: {problem} (kinds: {known}; write kind: batch)")
    return KINDS[kind].of(declared)


KINDS: dict[Any, type[BatchSource] | type[StreamSource] | type[RPCSource]] = {
    "batch": BatchSource,
    "stream": StreamSource,
    "rpc": RPCSource,
}
Source = Annotated[BatchSource | StreamSource | RPCSource, Field(discriminator="kind")]
