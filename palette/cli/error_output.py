"""Error messages of commands, one line on the standard error each."""

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

__all__ = [
    "EXIT_CODE",
    "error_message",
    "exit_on_error",
    "expected_errors",
    "install_hint",
    "report_errors",
    "run_groups",
]

Command = TypeVar("Command", bound=Callable[..., Any])
EXIT_CODE = 2
# PySpark logs an error here as JSON, with a traceback, before it raises it.
SPARK_LOGGERS = ("SQLQueryContextLogger", "DataFrameQueryContextLogger")
SPARK_FREE_ERRORS = (PaletteError, DslError, OSError)
# Top-level module to the extra that installs it.
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
    """Result of a run, which ``str`` formats as lines."""

    def to_json(self) -> dict[str, Any]: ...


def report_errors(command: Command, name: str | None = None) -> Command:
    """Return the command, wrapped to print an expected error in one line and exit with 2.

    A closed output pipe, as in ``palette show ... | head``, is not reported: Typer exits silently, with 1.
    """
    name = name or f"palette {command.__name__.replace('_', '-')}"

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> Any:
        for logger in SPARK_LOGGERS:
            logging.getLogger(logger).disabled = True
        try:
            return command(*args, **kwargs)
        except BrokenPipeError:
            raise
        except expected_errors() as error:
            print_text(f"{name}: {error_message(error)}", lines=True, err=True)
            raise typer.Exit(EXIT_CODE) from error
        except ImportError as error:
            print_text(f"{name}: {error}; {install_hint(error)}", lines=True, err=True)
            raise typer.Exit(EXIT_CODE) from error

    return run  # type: ignore[return-value]


def install_hint(error: ImportError) -> str:
    """Return how to install a missing library.

    Examples
    --------
    >>> install_hint(ModuleNotFoundError("No module named 'orjson'", name="orjson"))
    "install it: pip install 'palette-features[catalog]'"
    """
    extra = EXTRAS.get((error.name or "").partition(".")[0])
    return "the README lists the extras" if extra is None else f"install it: pip install 'palette-features[{extra}]'"


def expected_errors() -> tuple[type[BaseException], ...]:
    """Return the exceptions that are reported in one line: of palette, of the system, and of Spark if it is loaded."""
    classes = (("pyspark.errors", "PySparkException"), ("py4j.protocol", "Py4JError"))
    spark = (getattr(sys.modules[module], name) for module, name in classes if sys.modules.get(module))
    return (*SPARK_FREE_ERRORS, *spark)


def error_message(error: BaseException) -> str:
    """Return the message of an expected error; of a Java stack trace, the line with the cause."""
    if isinstance(error, SPARK_FREE_ERRORS):
        return str(error)
    lines = [line.strip(" :") for line in str(error).splitlines() if line.strip(" :")] or [type(error).__name__]
    if lines[0].startswith("An error occurred while calling") and len(lines) > 1:
        lines = lines[1:]
    return f"Spark: {lines[0]:.1000}"


@contextlib.contextmanager
def exit_on_error(command: str) -> Iterator[None]:
    """Print an expected error in one line, and exit with 1 if the command may be retried, else with 2."""
    try:
        yield
    except expected_errors() as error:
        print_text(f"{command}: {error_message(error)}", lines=True, err=True)
        raise typer.Exit(exit_code(error)) from error


def run_groups(command: str, groups: Sequence[str], run: Callable[[str], Summary], *, as_json: bool) -> None:
    """Run groups sequentially and print the result of each; a failure does not stop the run.

    Raises
    ------
    typer.Exit
        At the end, if groups failed: with 1 if all of these may be retried, else with 2.
    """
    results: list[dict[str, Any]] = []
    code = DONE
    try:
        for group in groups:
            try:
                summary = run(group)
            except expected_errors() as error:
                code = max(code, exit_code(error))
                message = error_message(error)
                results.append({"group": group, "error": message})
                prefix = "" if group in message else f"{group}: "
                print_text(f"{command}: {prefix}{message}", lines=True, err=True)
                continue
            results.append(summary.to_json())
            if not as_json:
                print_text(str(summary), lines=True)
    finally:
        # Also after an unexpected error, print the results so far.
        if as_json:
            print_json(results)
    if code != DONE:
        raise typer.Exit(code)
