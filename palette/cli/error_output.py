"""Errors of palette, told to people at a terminal."""

from __future__ import annotations

import contextlib
import functools
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, TypeVar

import typer

from dsl.errors import DslError
from palette.cli.output import print_json, print_text
from palette.errors import PaletteError
from palette.exit_codes import DONE, exit_code

__all__ = ["EXIT_CODE", "ending", "expected", "in_turn", "message", "remedy", "told"]

Command = TypeVar("Command", bound=Callable[..., Any])
EXIT_CODE = 2
# Where PySpark writes an error as JSON, with a traceback, before it raises it.
SPARKS_OWN = ("SQLQueryContextLogger", "DataFrameQueryContextLogger")
OURS = (PaletteError, DslError, OSError)
# The extras that have what a command may lack.
EXTRAS = {
    "alembic": "catalog",
    "delta": "spark",
    "deltalake": "delta-log",
    "fastapi": "server",
    "lmdb": "lmdb",
    "orjson": "catalog",
    "pandas": "spark",
    "prometheus_client": "server",
    "psycopg": "postgres",
    "pyspark": "spark",
    "redis": "redis",
    "sqlalchemy": "catalog",
    "sqlglot": "catalog",
    "uvicorn": "server",
    "xgboost": "xgboost",
}


class Summary(Protocol):
    """What was done, as text and as JSON."""

    def to_json(self) -> dict[str, Any]: ...


def told(command: Command, name: str | None = None) -> Command:
    """Return a command that prints an expected error in a line, and ends with 2.

    Output that nobody reads any more, of ``palette show ... | head``, is no error: Typer ends quietly, with 1.
    """
    name = name or f"palette {command.__name__.replace('_', '-')}"

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> Any:
        for logger in SPARKS_OWN:
            logging.getLogger(logger).disabled = True
        try:
            return command(*args, **kwargs)
        except BrokenPipeError:
            raise
        except expected() as error:
            print_text(f"{name}: {message(error)}", lines=True, err=True)
            raise typer.Exit(EXIT_CODE) from error
        except ImportError as error:
            print_text(f"{name}: {error}; {remedy(error)}", lines=True, err=True)
            raise typer.Exit(EXIT_CODE) from error

    return run  # type: ignore[return-value]


def remedy(error: ImportError) -> str:
    """Return how a library is installed that is not there.

    Examples
    --------
    >>> remedy(ModuleNotFoundError("No module named 'orjson'", name="orjson"))
    "install it: pip install 'palette-features[catalog]'"
    """
    extra = EXTRAS.get((error.name or "").partition(".")[0])
    return (
        "the README says which extra has it"
        if extra is None
        else f"install it: pip install 'palette-features[{extra}]'"
    )


def expected() -> tuple[type[BaseException], ...]:
    """Return what is told in a line: errors of palette, of the system, and of Spark where that was loaded."""
    places = (("pyspark.errors", "PySparkException"), ("py4j.protocol", "Py4JError"))
    spark = (getattr(sys.modules[module], name) for module, name in places if sys.modules.get(module))
    return (*OURS, *spark)


def message(error: BaseException) -> str:
    """Return what is told of an expected error; of what Java tells in many lines, the one that says why."""
    if isinstance(error, OURS):
        return str(error)
    lines = [line.strip(" :") for line in str(error).splitlines() if line.strip(" :")] or [type(error).__name__]
    told = lines[1:] if lines[0].startswith("An error occurred while calling") and len(lines) > 1 else lines
    return f"Spark: {told[0]:.1000}"


@contextlib.contextmanager
def ending(command: str) -> Iterator[None]:
    """Print an expected error in a line, and end with 1 if it may be tried again, else with 2."""
    try:
        yield
    except expected() as error:
        print_text(f"{command}: {message(error)}", lines=True, err=True)
        raise typer.Exit(exit_code(error)) from error


def in_turn(command: str, groups: Sequence[str], run: Callable[[str], Summary], *, as_json: bool) -> None:
    """Run one group after the other, and tell of each when it is done; one that fails does not keep the next from it.

    Raises
    ------
    typer.Exit
        At the end, if some failed: with 1 if all of them may be tried again, else with 2.
    """
    told: list[dict[str, Any]] = []
    code = DONE
    try:
        for group in groups:
            try:
                done = run(group)
            except expected() as error:
                code = max(code, exit_code(error))
                fault = message(error)
                told.append({"group": group, "error": fault})
                where = "" if group in fault else f"{group}: "
                print_text(f"{command}: {where}{fault}", lines=True, err=True)
                continue
            told.append(done.to_json())
            if not as_json:
                print_text(str(done), lines=True)
    finally:
        # Whatever becomes of the next one: what is done is told.
        if as_json:
            print_json(told)
    if code != DONE:
        raise typer.Exit(code)
