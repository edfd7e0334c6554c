"""``palette score``: rows in and answers out are JSON as the service has it."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from palette.cli.bundle_arguments import HELP, MAX_REQUEST_AGE, STORE, find_bundle
from palette.cli.output import print_json_text
from palette.cli.project import FILE, Config, local
from palette.errors import DataError

__all__ = ["score"]

MANY = 1000


def score(
    bundle: Annotated[str, typer.Argument(help=f"{HELP} Or the directory of a saved PipelineModel.")],
    rows: Annotated[
        Path | None,
        typer.Argument(
            metavar="ROWS", callback=local, help="A file with one JSON object a line; - is the standard input."
        ),
    ] = None,
    row: Annotated[str | None, typer.Option(help="One row, as a JSON object.")] = None,
    store: Annotated[str | None, typer.Option(help=STORE)] = None,
    now: Annotated[dt.datetime | None, typer.Option(help="The moment at which ttl counts, UTC. Default: now.")] = None,
    status: Annotated[bool, typer.Option("--status", help="Tell whether each looked-up value was there.")] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse rows with columns that the model does not know.")
    ] = False,
    max_request_age: Annotated[float, typer.Option(help=MAX_REQUEST_AGE)] = 300.0,
    config: Config = Path(FILE),
) -> None:
    """Score rows without Spark: JSON in, JSON out, a line each; a row that cannot be scored is an error in its place.

    Ends with 1 if there was such a row.
    """
    from palette.serving import LocalPipeline
    from palette.serving.compile import numeric_columns
    from palette.serving.json_rows import decoders_of, dumps, plain

    if (rows is None) == (row is None):
        raise DataError("name a file of rows, or give one with --row")
    found = find_bundle(bundle, config)
    pipeline = LocalPipeline.load(
        found.path, store or found.online, status=status, strict=strict, max_request_age=max_request_age
    )
    decoders = decoders_of(pipeline.request_columns, numeric_columns(pipeline.plan))
    lines = [row.encode("utf-8", "surrogateescape")] if row is not None else _lines(rows)
    failed = False
    for some in _chunks(lines):
        parsed = [_parsed(line, decoders) for line in some]
        good = [one for one in parsed if not isinstance(one, Exception)]
        answers = iter(pipeline.score_instances(good, now, errors="return"))
        for one in parsed:
            answer = one if isinstance(one, Exception) else next(answers)
            failed |= isinstance(answer, Exception)
            told = {"error": str(answer)} if isinstance(answer, Exception) else plain(answer)
            print_json_text(dumps(told).decode())
    if failed:
        raise typer.Exit(1)


def _lines(path: Path | None) -> Iterator[bytes]:
    if str(path) == "-":
        yield from sys.stdin.buffer
        return
    assert path is not None
    try:
        with path.open("rb") as file:
            yield from file
    except OSError as error:
        raise DataError(f"rows cannot be read: {error}") from error


def _chunks(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    some: list[bytes] = []
    for line in lines:
        if line.strip():
            some.append(line)
        if len(some) == MANY:
            yield some
            some = []
    if some:
        yield some


def _parsed(line: bytes, decoders: Iterable[tuple[str, Callable[[Any], Any]]]) -> Any:
    """Return a row, or what is wrong with it."""
    import orjson

    try:
        found = orjson.loads(line)
        if not isinstance(found, dict):
            return DataError(f"a row is a JSON object, found {line.decode().strip():.80}")
        return found | {column: decode(found[column]) for column, decode in decoders if column in found}
    except (ValueError, TypeError, RecursionError) as error:
        return DataError(f"no row: {error}")
