"""Errors of palette, told to people at a terminal."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import typer

from dsl.errors import DslError
from palette.cli.output import print_text
from palette.errors import PaletteError

__all__ = ["told"]

Command = TypeVar("Command", bound=Callable[..., Any])
EXIT_CODE = 2


def told(command: Command) -> Command:
    """Return a command that prints an expected error in a line, and ends with 2."""
    name = f"palette {command.__name__.replace('_', '-')}"

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except ImportError as error:
            print_text(f"{name}: {error}; the README says which extra has it", lines=True, err=True)
            raise typer.Exit(EXIT_CODE) from error
        except (PaletteError, DslError, OSError) as error:
            print_text(f"{name}: {error}", lines=True, err=True)
            raise typer.Exit(EXIT_CODE) from error
        except _spark_errors() as error:
            print_text(f"{name}: Spark: {_reason(error)}", lines=True, err=True)
            raise typer.Exit(EXIT_CODE) from error

    return run  # type: ignore[return-value]


def _spark_errors() -> tuple[type[BaseException], ...]:
    """Return Spark's own errors; none where Spark was not loaded, so that it need not be there."""
    places = (("pyspark.errors", "PySparkException"), ("py4j.protocol", "Py4JError"))
    return tuple(getattr(sys.modules[module], name) for module, name in places if sys.modules.get(module))


def _reason(error: BaseException) -> str:
    """Return the line that says why, of what Java tells in many."""
    lines = [line.strip(" :") for line in str(error).splitlines() if line.strip(" :")] or [type(error).__name__]
    told = lines[1:] if lines[0].startswith("An error occurred while calling") and len(lines) > 1 else lines
    return f"{told[0]:.1000}"
