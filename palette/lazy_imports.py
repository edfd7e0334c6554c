"""Lazy imports of public names, and the check that Spark is installed."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["lazy", "require_spark"]

SPARK = "pyspark"


def lazy(package: str, homes: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return ``__getattr__`` and ``__dir__`` of a package whose public names are defined in other modules.

    Parameters
    ----------
    package : str
        ``__name__`` of the package.
    homes : dict of str to str
        Public name to the module that defines it.

    Examples
    --------
    >>> attribute, names = lazy("palette", {"Entity": "palette.definitions.models"})
    >>> attribute("Entity").__name__
    'Entity'
    """

    def attribute(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        try:
            value = getattr(importlib.import_module(homes[name]), name)
        except ModuleNotFoundError as error:
            if error.name == SPARK:
                require_spark(f"{package}.{name}")
            raise
        setattr(sys.modules[package], name, value)
        return value

    def names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *homes})

    return attribute, names


def require_spark(what: str = "this") -> None:
    """Raise :class:`SparkNotFoundError` where PySpark is not installed."""
    if importlib.util.find_spec(SPARK) is None:
        from palette.errors import SparkNotFoundError

        raise SparkNotFoundError(
            f"{what} needs Spark, and pyspark is not installed: pip install 'palette-features[spark]'", name=SPARK
        ) from None
