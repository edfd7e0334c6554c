"""Timestamps as naive UTC datetimes, and as whole microseconds since 1970."""

from __future__ import annotations

import datetime as dt
import time

from palette.errors import DataError, DefinitionError

__all__ = [
    "EPOCH",
    "MICROSECOND",
    "now_micros",
    "resolve_now",
    "to_datetime",
    "to_datetime_or_none",
    "to_micros",
    "utc",
]

EPOCH = dt.datetime(1970, 1, 1)
MICROSECOND = dt.timedelta(microseconds=1)


def to_micros(value: dt.datetime) -> int:
    """Return microseconds since 1970 UTC; a naive datetime is UTC.

    Examples
    --------
    >>> to_micros(dt.datetime(1970, 1, 2))
    86400000000
    """
    if value.tzinfo is not None:
        value = value.astimezone(dt.UTC).replace(tzinfo=None)
    since = value - EPOCH
    # Three times as fast as dividing by a microsecond, and every request comes this way.
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def to_datetime(micros: int) -> dt.datetime:
    """Return the naive UTC datetime of microseconds since 1970.

    Raises
    ------
    OverflowError
        If the year is beyond 1 to 9999.

    Examples
    --------
    >>> to_datetime(86400000000)
    datetime.datetime(1970, 1, 2, 0, 0)
    """
    return EPOCH + dt.timedelta(0, 0, micros)


def to_datetime_or_none(micros: int | None) -> dt.datetime | None:
    """Return the naive UTC datetime of microseconds since 1970; None of None, and of a year that Python lacks.

    Examples
    --------
    >>> to_datetime_or_none(1000000), to_datetime_or_none(1 << 62), to_datetime_or_none(None)
    (datetime.datetime(1970, 1, 1, 0, 0, 1), None, None)
    """
    try:
        return None if micros is None else to_datetime(micros)
    except OverflowError:
        return None


def now_micros() -> int:
    """Return the present time in microseconds since 1970 UTC."""
    return time.time_ns() // 1000


def resolve_now(now: dt.datetime | str | None) -> int:
    """Return ``now``, a datetime or an ISO 8601 string, in microseconds since 1970 UTC; ``None`` is the present time.

    Raises
    ------
    DataError
        If it is of another type, not a timestamp, or beyond the years 1 to 9999.

    Examples
    --------
    >>> resolve_now("1970-01-01T00:00:01")
    1000000
    """
    if now is None:
        return time.time_ns() // 1000
    try:
        return to_micros(utc(now) if isinstance(now, str) else now)
    except AttributeError:
        raise DataError(f"now is a datetime, found {type(now).__name__} {now!r:.80}") from None
    except DefinitionError as error:
        raise DataError(f"now: {error}") from None
    except OverflowError:
        raise DataError(f"now is {now}, beyond the years 1 to 9999 in UTC") from None


def utc(value: dt.date | str) -> dt.datetime:
    """Return a date, a datetime, or one in ISO 8601, as naive UTC; a naive one is UTC already.

    Raises
    ------
    DefinitionError
        If it is of another type, or not a timestamp.

    Examples
    --------
    >>> utc("2026-03-01"), utc("2026-03-01T12:00+02:00")
    (datetime.datetime(2026, 3, 1, 0, 0), datetime.datetime(2026, 3, 1, 10, 0))
    """
    if isinstance(value, str):
        try:
            value = dt.datetime.fromisoformat(value.strip())
        except ValueError:
            raise DefinitionError(
                f"{value!r:.100} is not a timestamp: write 2026-03-01 or 2026-03-01T12:00, which are UTC"
            ) from None
    if not isinstance(value, dt.date):
        raise DefinitionError(f"expected a datetime, found {type(value).__name__} {value!r:.100}")
    if not isinstance(value, dt.datetime):
        return dt.datetime(value.year, value.month, value.day)
    if value.tzinfo is not None:
        value = value.astimezone(dt.UTC).replace(tzinfo=None)
    if value.__class__ is dt.datetime:
        return value
    # A pandas Timestamp, say, whose nanoseconds no column holds.
    return dt.datetime(*value.timetuple()[:6], value.microsecond)
