"""Strict checks of local CSV and JSON files, line by line: Spark's readers report no line, and accept some faults."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from palette.errors import DataError

__all__ = ["count_csv", "count_json", "count_local"]

SCHEME = "file:"
HIDDEN = ("_", ".")
COMPRESSED = (".gz", ".bz2", ".zst", ".lz4", ".snappy", ".deflate", ".xz")
WHITESPACE = " \t\r\n"
LARGEST_FIELD = 1 << 30


def count_local(path: str, count: Callable[[Path], int]) -> int | None:
    """Return the number of records in a local file, or in all files of a local directory.

    Parameters
    ----------
    path : str
        A path, or a ``file:`` URL.
    count : callable
        :func:`count_csv` or :func:`count_json`.

    Returns
    -------
    int or None
        None where only Spark can read: another file system, a pattern, a compressed file.

    Raises
    ------
    DataError
        With the file and the line of the first fault.
    """
    if path.startswith(SCHEME):
        path = "/" + path.removeprefix(SCHEME).lstrip("/")
    files = _files(path)
    if not files or any(file.suffix in COMPRESSED for file in files):
        return None
    return sum(map(count, files))


def _files(path: str) -> list[Path]:
    if not os.path.isdir(path):
        return [Path(path)] if os.path.isfile(path) else []
    files = []
    for folder, folders, names in os.walk(path):
        folders[:] = [name for name in folders if not name.startswith(HIDDEN)]
        files += [Path(folder, name) for name in names if not name.startswith(HIDDEN)]
    return files


def count_csv(file: Path) -> int:
    r"""Return the number of records of a CSV file (RFC 4180), without the header and blank lines.

    Raises
    ------
    DataError
        If a quote is not closed, a record has another number of fields than the header, or the file is not UTF-8.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp(), "orders.csv")
    >>> _ = file.write_text('id,note\n1,"two\nlines"\n2,"a ""b"" c"\n')
    >>> count_csv(file)
    2
    """
    csv.field_size_limit(max(csv.field_size_limit(), LARGEST_FIELD))

    def count(lines: TextIO) -> int:
        records = csv.reader(lines, strict=True)
        width, number, line = 0, -1, 1
        try:
            for record in records:
                if record:
                    number += 1
                    width = width or len(record)
                    if len(record) != width:
                        raise DataError(f"{file}: line {line}: {len(record)} fields, and the header has {width}")
                line = records.line_num + 1
        except csv.Error as error:
            raise DataError(f"{file}: line {line}: not CSV, in the record that begins there: {error}") from error
        return max(number, 0)

    return _count(file, count, newline="")


def count_json(file: Path) -> int:
    r"""Return the number of objects in a file of one JSON object a line, or of one JSON array of objects.

    Raises
    ------
    DataError
        If a line is not an object, the array is not complete, something follows it, or the file is not UTF-8.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp(), "orders.json")
    >>> _ = file.write_text('[{"id": 1},\n {"id": 2}]\n')
    >>> count_json(file)
    2
    """

    def count(lines: TextIO) -> int:
        number, rows = 0, 0
        for number, line in enumerate(lines, 1):
            if not (text := line.strip(WHITESPACE)):
                continue
            if rows == 0 and text.startswith("["):
                return _count_array(file, "\n" * (number - 1) + line + lines.read())
            try:
                value = json.loads(text)
            except (ValueError, RecursionError) as error:
                raise DataError(f"{file}: line {number}: not a JSON object on one line: {error}") from error
            if not isinstance(value, dict):
                raise DataError(f"{file}: line {number}: expected a JSON object, found {text:.80}")
            rows += 1
        return rows

    return _count(file, count)


def _count_array(file: Path, text: str) -> int:
    try:
        rows, end = _objects(text, text.index("["))
    except (json.JSONDecodeError, RecursionError) as error:
        line = error.lineno if isinstance(error, json.JSONDecodeError) else 1
        raise DataError(f"{file}: line {line}: not a JSON array of objects: {error}") from error
    except IndexError:
        line = text.rstrip(WHITESPACE).count("\n") + 1
        raise DataError(f"{file}: line {line}: the JSON array is cut off") from None
    if rest := text[end:].strip(WHITESPACE):
        raise DataError(f"{file}: {rest!r:.80} follows the JSON array: expected one array, or one object a line")
    return rows


def _objects(text: str, position: int) -> tuple[int, int]:
    """Return the number of objects in the array that begins at a position, and the position of its end."""
    decoder, rows = json.JSONDecoder(), 0
    start = _skip_whitespace(text, position + 1)
    if text[start] == "]":
        return 0, start + 1
    while text[position] != "]":
        start = _skip_whitespace(text, position + 1)
        value, position = decoder.raw_decode(text, start)
        position = _skip_whitespace(text, position)
        if not isinstance(value, dict):
            raise json.JSONDecodeError(f"expected an object, found {text[start : start + 40]!r}", text, start)
        if text[position] not in ",]":
            raise json.JSONDecodeError(f"expected ',' or ']', found {text[position : position + 40]!r}", text, position)
        rows += 1
    return rows, position + 1


def _skip_whitespace(text: str, position: int) -> int:
    while text[position] in WHITESPACE:
        position += 1
    return position


def _count(file: Path, count: Callable[[TextIO], int], newline: str | None = None) -> int:
    try:
        with file.open(encoding="utf-8-sig", newline=newline) as lines:
            return count(lines)
    except UnicodeDecodeError as error:
        raise DataError(f"{file}: line {_undecodable(file)}: not UTF-8 ({error.reason}): save it as UTF-8") from error
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror}") from error


def _undecodable(file: Path) -> int:
    """Return the first line that is not UTF-8."""
    with file.open("rb") as lines:
        return next((number for number, line in enumerate(lines, 1) if not _decodes(line)), 0)


def _decodes(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True
