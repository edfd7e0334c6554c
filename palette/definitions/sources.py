"""Where the rows of a feature group come from."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

__all__ = ["BatchSource", "RPCSource", "Source", "StreamSource"]


class _Source(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class BatchSource(_Source):
    """Rows computed from history, by Spark SQL or by a DataFrame function.

    Parameters
    ----------
    sql : str, optional
        A Spark SQL query whose columns are those of the feature group.
    function : str, optional
        ``"module:name"`` of a function that returns a DataFrame; one of ``sql`` and ``function`` is given.
    schedule : str, optional
        A cron expression.
    lookback : timedelta, optional
        How far behind the newest event time a run looks again, for late rows.

    Examples
    --------
    >>> BatchSource(sql="SELECT * FROM orders_daily", schedule="0 3 * * *").kind
    'batch'
    """

    kind: Literal["batch"] = "batch"
    sql: str | None = None
    function: str | None = Field(default=None, pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")
    schedule: str | None = None
    lookback: timedelta | None = None

    @model_validator(mode="after")
    def _one_definition(self) -> BatchSource:
        if (self.sql is None) == (self.function is None):
            raise ValueError("a batch source has either sql or function")
        return self


class StreamSource(_Source):
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


class RPCSource(_Source):
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
        if not url.startswith(("http://", "https://")):
            raise ValueError(f"an RPC source takes an http or https URL, found {url!r}")
        return url


Source = Annotated[BatchSource | StreamSource | RPCSource, Field(discriminator="kind")]
