"""The expression language of features: one definition for Spark columns and for single rows.

Every function of the language is an attribute of this package (``dsl.nFill``, ``dsl.regionId``); those whose names are
Python keywords end in an underscore (``if_``, ``and_``, ``or_``, ``not_``). Importing the package loads neither Spark
nor pandas.

``from dsl import *`` imports all of them except those that would hide a builtin of Python, ``dsl.abs``, ``dsl.pow`` and
``dsl.round``, and ``DSLEstimator`` only where pyspark is installed.
"""

from __future__ import annotations

import builtins
import importlib
import importlib.util
import keyword
from typing import Any

_PUBLIC = [
    "REGISTRY",
    "Arg",
    "BasisRef",
    "Binding",
    "DSLEstimator",
    "DSLModel",
    "DType",
    "DslError",
    "DslSyntaxError",
    "DslTypeError",
    "FeatureRef",
    "Node",
    "Nulls",
    "RefError",
    "RegistrationError",
    "UnknownFunctionError",
    "UnknownReferenceError",
    "Var",
    "compile_columns",
    "compile_row",
    "has_function",
    "literal",
    "parse",
    "parse_ref",
]

_NAMES_BY_MODULE = {
    "dsl.compilers.bind": ("Binding",),
    "dsl.syntax.build": ("literal",),
    "dsl.compilers.column": ("compile_columns",),
    "dsl.dtypes": ("DType", "Var"),
    "dsl.errors": (
        "DslError",
        "DslSyntaxError",
        "DslTypeError",
        "RefError",
        "RegistrationError",
        "UnknownFunctionError",
        "UnknownReferenceError",
    ),
    "dsl.estimator": ("DSLEstimator", "DSLModel"),
    "dsl.syntax.nodes": ("Node",),
    "dsl.syntax.parser": ("parse",),
    "dsl.refs": ("BasisRef", "FeatureRef", "parse_ref"),
    "dsl.registry": ("REGISTRY", "Arg", "Nulls"),
    "dsl.compilers.row": ("compile_row",),
}
_MODULE_BY_NAME = {name: module for module, names in _NAMES_BY_MODULE.items() for name in names}


def has_function(name: str) -> bool:
    """Return whether expressions can call `name`.

    Examples
    --------
    >>> has_function("nFill"), has_function("nope")
    (True, False)
    """
    from dsl.registry import REGISTRY

    return REGISTRY.has_function(name)


def __getattr__(name: str) -> Any:
    if name == "__all__":
        return _star_names()
    if name in _MODULE_BY_NAME:
        try:
            value = getattr(importlib.import_module(_MODULE_BY_NAME[name]), name)
        except ModuleNotFoundError as error:
            if error.name != "pyspark":
                raise
            message = f"dsl.{name} needs Spark, and pyspark is not installed: pip install 'palette-features[spark]'"
            raise ImportError(message, name="pyspark") from None
    elif name.startswith("__"):
        raise AttributeError(f"module 'dsl' has no attribute {name!r}")
    else:
        value = _builder(name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    from dsl.registry import REGISTRY

    return sorted([*_PUBLIC, *(f"{name}_" if keyword.iskeyword(name) else name for name in REGISTRY.names)])


def _star_names() -> list[str]:
    """Return the names for ``from dsl import *``; registered functions are among them."""
    hidden = {*dir(builtins)}
    if importlib.util.find_spec("pyspark") is None:
        hidden |= {*_NAMES_BY_MODULE["dsl.estimator"]}
    return [name for name in __dir__() if name not in hidden]


def _builder(attribute: str) -> Any:
    """Return the Python function that builds calls of a registered function."""
    from dsl.registry import REGISTRY
    from dsl.syntax.build import call

    name = attribute.removesuffix("_") if keyword.iskeyword(attribute.removesuffix("_")) else attribute
    if not REGISTRY.has_function(name):
        from dsl.errors import nearest

        raise AttributeError(f"module 'dsl' has no attribute {attribute!r}{nearest(attribute, __dir__())}")

    def build(*args: Any, **named: Any) -> Any:
        return call(name, *args, **named)

    build.__name__ = build.__qualname__ = attribute
    build.__module__ = "dsl"
    build.__doc__ = REGISTRY.describe(name)
    return build
