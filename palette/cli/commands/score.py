"""``palette score``: rows and answers are JSON in the format of the service."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from palette.cli.bundle_arguments import HELP, MAX_REQUEST_AGE, STORE, find_bundle
from palette.cli.output import print_json_string
from palette.cli.project import FILE, Config, local
from palette.errors import DataError

__all__ = ["score"]

CHUNK_ROWS = 1000


def score(
    bundle: Annotated[str, typer.Argument(help=f"{HELP} Or the directory of a saved PipelineModel.")],
    rows: Annotated[
        Path | None,
        typer.Argument(
            metavar="ROWS", callback=local, help="File with one JSON object per line; - is the standard input."
        ),
    ] = None,
    row: Annotated[str | None, typer.Option(help="One row, as a JSON object.")] = None,
    store: Annotated[str | None, typer.Option(help=STORE)] = None,
    now: Annotated[
        dt.datetime | None, typer.Option(help="Time at which the ttl is evaluated, UTC. Default: now.")
    ] = None,
    status: Annotated[bool, typer.Option("--status", help="Add the status of each looked-up value.")] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Reject rows with columns that the model does not know.")
    ] = False,
    max_request_age: Annotated[float, typer.Option(help=MAX_REQUEST_AGE)] = 300.0,
    config: Config = Path(FILE),
) -> None:
    """Score rows without Spark: prints one line of JSON per row, an error object for a row that cannot be scored.

    Exits with 1 if there was such a row.
    """
    from palette.serving import LocalPipeline
    from palette.serving.compile import numeric_columns
    from palette.serving.json_rows import decoders_of, dumps, plain

    if (rows is None) == (row is None):
        raise DataError("expected either a file of rows or one row with --row")
    deployed = find_bundle(bundle, config)
    pipeline = LocalPipeline.load(
        deployed.path, store or deployed.online, status=status, strict=strict, max_request_age=max_request_age
    )
    decoders = decoders_of(pipeline.request_columns, numeric_columns(pipeline.plan))
    lines = [row.encode("utf-8", "surrogateescape")] if row is not None else _read_lines(rows)
    failed = False
    for chunk in _split_chunks(lines):
        parsed = [_parse_row(line, decoders) for line in chunk]
        valid = [result for result in parsed if not isinstance(result, Exception)]
        answers = iter(pipeline.score_instances(valid, now, errors="return"))
        for result in parsed:
            answer = result if isinstance(result, Exception) else next(answers)
            failed |= isinstance(answer, Exception)
            output = {"error": str(answer)} if isinstance(answer, Exception) else plain(answer)
            print_json_string(dumps(output).decode())
    if failed:
        raise typer.Exit(1)


def _read_lines(path: Path | None) -> Iterator[bytes]:
    if str(path) == "-":
        yield from sys.stdin.buffer
        return
    assert path is not None
    try:
        with path.open("rb") as file:
            yield from file
    except OSError as error:
        raise DataError(f"rows cannot be read: {error}") from error


def _split_chunks(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    chunk: list[bytes] = []
    for line in lines:
        if line.strip():
            chunk.append(line)
        if len(chunk) == CHUNK_ROWS:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _parse_row(line: bytes, decoders: Iterable[tuple[str, Callable[[Any], Any]]]) -> Any:
    """Return a row, or the error of a line that is not one."""
    import orjson

    try:
        row = orjson.loads(line)
        if not isinstance(row, dict):
            return DataError(f"expected a row as a JSON object, found {line.decode().strip():.80}")
        return row | {column: decode(row[column]) for column, decode in decoders if column in row}
    except (ValueError, TypeError, RecursionError) as error:
        return DataError(f"invalid row: {error}")
