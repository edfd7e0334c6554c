"""Detection of missing columns of a row: absent is not null."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from typing import Any

from dsl.errors import nearest

__all__ = ["missing_message", "required_lines"]

MAX_SHOWN = 5
# Only so many names of a row are compared, cut to a length: a client may send any number of them, of any length.
MAX_COMPARED, MAX_LENGTH = 100, 80


def required_lines(
    reads: Mapping[str, str],
    error: Callable[[str], Exception],
    bind: Callable[[object, Hashable], str],
    optional: Collection[str] = (),
) -> list[str]:
    """Return Python lines that read columns of ``row`` into local variables, before anything is computed.

    Parameters
    ----------
    reads : mapping of str to str
        Column to local variable.
    error : callable
        Returns the error for a row that lacks a column, given its message.
    bind : callable
        Returns the name of a constant, given its value and a unique key.
    optional : collection of str
        Other columns that a row may have.

    Examples
    --------
    >>> required_lines({"city": "x"}, ValueError, lambda value, key: "c")
    ['try:', '    x = row[c]', 'except c:', '    c(row)']
    """
    if not reads:
        return []
    known = (*reads, *optional)

    def reject(row: Mapping[str, Any]) -> None:
        raise error(missing_message(row, tuple(reads), known)) from None

    lines = [f"    {local} = row[{bind(column, ('column', column))}]" for column, local in reads.items()]
    return ["try:", *lines, f"except {bind(KeyError, KeyError)}:", f"    {bind(reject, 'reject')}(row)"]


def missing_message(row: Mapping[str, Any], columns: Sequence[str], known: Collection[str]) -> str:
    """Return a message about the columns that a row lacks, with the nearest of its other columns.

    Parameters
    ----------
    row : mapping
        The row.
    columns : sequence of str
        The columns that it must have.
    known : collection of str
        All columns that are read: none of them is a misspelling of another.

    Examples
    --------
    >>> missing_message({"rid": "r1", "size": 3}, ["r_id", "size"], {"r_id", "size"})
    "the row lacks column 'r_id' (did you mean 'rid'?); send null for a value that is not known"
    """
    missing = [column for column in columns if column not in row]
    others = [name[:MAX_LENGTH] for name in row if isinstance(name, str) and name not in known][:MAX_COMPARED]
    parts = []
    for column in missing[:MAX_SHOWN]:
        near = nearest(column, others).removeprefix("; ")
        parts.append(f"{column!r} ({near})" if near else repr(column))
    more = f" and {len(missing) - MAX_SHOWN} more" if len(missing) > MAX_SHOWN else ""
    plural = "" if len(missing) == 1 else "s"
    return f"the row lacks column{plural} {', '.join(parts)}{more}; send null for a value that is not known"
