"""Record of a chunked job, kept in the metadata of each commit of its target."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from palette.offline.training.counts import Counts

__all__ = ["JobRecord", "differences", "to_plain"]

# Before it may stand what the session writes into each commit.
MARKER = "palette training set: "


@dataclass(frozen=True)
class JobRecord:
    """State of a chunked job, as of one commit.

    Parameters
    ----------
    job : str
        Id of the job, and of its commits for Delta, which commits each chunk once.
    call : dict
        The arguments and the contents that the same call has again, as JSON values.
    versions : dict of str to int
        Feature group to the table version that all chunks read.
    now : int
        The time of rows without a timestamp column, in microseconds.
    basis : int, optional
        The version of the basis, if it is a Delta table.
    chunks, chunk : int
        The number of chunks, and of this one, from 1; 0 of the commit that creates the table.
    before : Counts
        Counts of the chunks before this one.

    Examples
    --------
    >>> record = JobRecord("j1", {"chunks": 2}, {"shop:menu": 3}, 0, None, 2, 1, Counts(0, (0,)))
    >>> JobRecord.parse(f"nightly {record.to_metadata()}") == record, record.is_finished
    (True, False)
    >>> JobRecord.parse("nightly") is None
    True
    """

    job: str
    call: Mapping[str, Any]
    versions: Mapping[str, int]
    now: int
    basis: int | None
    chunks: int
    chunk: int
    before: Counts

    @property
    def is_finished(self) -> bool:
        """Whether the commit is that of the last chunk."""
        return self.chunk == self.chunks

    def next(self, before: Counts) -> JobRecord:
        """Return the record of the next chunk, with the counts of all chunks before it."""
        return replace(self, chunk=self.chunk + 1, before=before)

    def to_metadata(self) -> str:
        """Return the record as the metadata of a commit."""
        return MARKER + json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def parse(cls, metadata: str | None) -> JobRecord | None:
        """Return the record in the metadata of a commit; None if there is none."""
        _, marker, encoded = (metadata or "").partition(MARKER)
        if not marker:
            return None
        try:
            # What follows the record is the mark of one attempt.
            plain, _ = json.JSONDecoder().raw_decode(encoded)
            before = Counts(**plain.pop("before"))
            return cls(**plain, before=replace(before, missing=tuple(before.missing)))
        except (ValueError, TypeError, KeyError, AttributeError):
            return None


def to_plain(call: Mapping[str, Any]) -> dict[str, Any]:
    """Return a call as it is read back from JSON.

    Examples
    --------
    >>> to_plain({"cluster_by": ("a",)})
    {'cluster_by': ['a']}
    """
    plain: dict[str, Any] = json.loads(json.dumps(call))
    return plain


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """Return the keys with other values, and both values.

    Examples
    --------
    >>> differences({"mode": "error", "version": {}}, {"mode": "append", "version": {"shop:menu": 3}})
    "mode is 'append', and was 'error'; version of shop:menu is 3, and was not given"
    """
    return "; ".join(
        f"{_label(path)} is {_show(after)}, and was {_show(before)}" for path, before, after in _differing((), old, new)
    )


def _differing(path: tuple[str, ...], before: Any, after: Any) -> Iterator[tuple[tuple[str, ...], Any, Any]]:
    # As JSON, since the order of features is that of the columns.
    if json.dumps(before) == json.dumps(after):
        return
    keys = dict.fromkeys([*before, *after]) if isinstance(before, dict) and isinstance(after, dict) else {}
    inner = [key for key in keys if before.get(key) != after.get(key)]
    if not inner:
        yield path, before, after
    for key in inner:
        yield from _differing((*path, key), before.get(key), after.get(key))


def _label(path: tuple[str, ...]) -> str:
    return ", ".join((" of ".join(path[:2]), *path[2:]))


def _show(value: Any) -> str:
    return "not given" if value is None else f"{value!r:.200}"
