"""Definition of functions from generated lines.

Separate from the row compiler, so that a plan without expressions is compiled without importing the language.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from types import CodeType
from typing import Any

__all__ = ["define"]


def define(name: str, parameters: list[str], lines: list[str], constants: Mapping[str, Any]) -> Callable[..., Any]:
    """Define a function from generated lines; `name`, `parameters` and `lines` have generated identifiers only."""
    source = "\n    ".join([f"def {name}({', '.join(parameters)}):", *lines])
    namespace: dict[str, Any] = {"__builtins__": {}, **constants}
    exec(_compiled(source, name), namespace)  # noqa: S102  (see above)
    function: Callable[..., Any] = namespace[name]
    return function


# A bundle's function is defined twice, to test it and to serve: for large models that is most of the loading time.
@functools.lru_cache(maxsize=8)
def _compiled(source: str, name: str) -> CodeType:
    return compile(source, f"<generated {name}>", "exec")
