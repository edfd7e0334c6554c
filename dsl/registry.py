"""Registry: the functions of the language by name, and the checks of a new one."""

from __future__ import annotations

import importlib
import inspect
import re
import string
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from dsl.dtypes import READERS, DType, Var
from dsl.errors import RegistrationError, UnknownFunctionError, nearest
from dsl.signatures import DECLARED, REQUIRED, Arg, Function, Macro, Nulls, Statistic

__all__ = ["DECLARED", "REGISTRY", "REQUIRED", "Arg", "Function", "Macro", "Nulls", "Registry", "Statistic"]

_NAME = re.compile(r"[a-z][A-Za-z0-9_]*")
_Body = TypeVar("_Body", bound=type)


class Registry:
    """The functions of the language by name, sorted.

    Examples
    --------
    >>> REGISTRY.get("nFil")
    Traceback (most recent call last):
    dsl.errors.UnknownFunctionError: unknown function 'nFil'; did you mean 'nFill'?
    """

    def __init__(self) -> None:
        self._entries: dict[str, Function | Statistic | Macro] = {}
        self._loaded = False

    def register(
        self,
        name: str,
        *args: Arg,
        returns: DType | Var,
        examples: Sequence[tuple[tuple[Any, ...], Any]],
        nulls: Nulls = Nulls.PROPAGATE,
        ulps: int = 0,
        edges: Mapping[str, Sequence[Any]] | None = None,
        inline: str | Mapping[DType, str] | None = None,
    ) -> Callable[[_Body], _Body]:
        """Register a class with the static methods ``column(F, ...)`` and ``row(...)`` as a function.

        Parameters
        ----------
        name : str
            The function's name.
        *args : Arg
            Its parameters.
        returns : DType or Var
            The type of its value; a variable must be that of a parameter.
        examples : sequence
            Pairs of argument tuple (with constants) and value, at least one.
        nulls : Nulls, default PROPAGATE
            Under PROPAGATE `row` never receives None, and the value is null; `column` must follow the rule by itself.
        ulps : int, default 0
            Units in the last place that the bodies may differ by.
        edges : mapping of str to sequence, optional
            Values to test, by parameter name, instead of those of its type.
        inline : str or mapping of DType to str, optional
            A Python expression, such as ``"({x} + {y})"``, that is equal to `row`; the row compiler uses it instead.
            The placeholders are names or constants, so they may occur several times; builtins cannot be used. A
            mapping has one expression for each type of the function's variable.

        Returns
        -------
        callable
            A decorator that returns the class unchanged.
        """

        def decorate(body: _Body) -> _Body:
            by_type = {None: inline} if isinstance(inline, str) else inline or {}
            templates: dict[DType | None, str] = dict(by_type.items())
            for template in templates.values():
                self._check_template(name, args, template)
            self._add(
                Function(
                    **self._common(name, args, returns, examples, body, "column", "row"),
                    nulls=nulls,
                    column=body.column,  # type: ignore[attr-defined]
                    row=body.row,  # type: ignore[attr-defined]
                    ulps=ulps,
                    edges=dict(edges or {}),
                    inline=templates,
                )
            )
            return body

        return decorate

    def statistic(
        self,
        name: str,
        *args: Arg,
        returns: DType | Var,
        examples: Sequence[tuple[Any, Any]],
        grouped: bool = False,
    ) -> Callable[[_Body], _Body]:
        """Register a class with ``aggregate(F, x, **constants)`` as a statistic of the training data.

        An optional ``finish(value, **constants)`` turns the collected value into the constant. With `grouped` there is
        one aggregate for each value of the first argument, a string, and `finish` receives a list of
        ``{"key": string or None, "value": ...}``.
        """

        def decorate(body: _Body) -> _Body:
            common = self._common(name, args, returns, examples, body, "aggregate")
            finish = getattr(body, "finish", lambda value, **_: value)
            aggregate = body.aggregate  # type: ignore[attr-defined]
            self._add(Statistic(**common, aggregate=aggregate, finish=finish, grouped=grouped))
            return body

        return decorate

    def macro(
        self, name: str, *args: Arg, returns: DType | Var, examples: Sequence[tuple[Any, Any]]
    ) -> Callable[[_Body], _Body]:
        """Register a class with ``expand(...)``, which defines the function by others."""

        def decorate(body: _Body) -> _Body:
            common = self._common(name, args, returns, examples, body, "expand")
            self._add(Macro(**common, expand=body.expand))  # type: ignore[attr-defined]
            return body

        return decorate

    def get(self, name: str) -> Function | Statistic | Macro:
        """Return the function, statistic or macro registered as `name`.

        Raises
        ------
        UnknownFunctionError
            There is none; the message suggests the nearest name.
        """
        self._load()
        entry = self._entries.get(name)
        if entry is None:
            raise UnknownFunctionError(f"unknown function {name!r}{nearest(name, self.names)}")
        return entry

    def has_function(self, name: str) -> bool:
        """Return whether expressions can call `name`.

        Examples
        --------
        >>> REGISTRY.has_function("nVal"), REGISTRY.has_function("nope")
        (True, False)
        """
        self._load()
        return name in self._entries or name in READERS

    def describe(self, name: str) -> str:
        """Return the usage of a function and its docstring.

        Examples
        --------
        >>> print(REGISTRY.describe("sVal"))
        sVal('entity:group:feature:key')
        <BLANKLINE>
        Read a feature, or a basis column ('basis:column'), as a string.
        """
        if name in READERS:
            doc = f"Read a feature, or a basis column ('basis:column'), as a {READERS[name]}."
            return f"{name}('entity:group:feature:key')\n\n{doc}"
        entry = self.get(name)
        return f"{entry.usage}\n\n{entry.doc}"

    @property
    def names(self) -> list[str]:
        """Every name that an expression can call, sorted."""
        self._load()
        return sorted([*self._entries, *READERS])

    def __iter__(self) -> Iterator[Function]:
        return iter(self._entries_of(Function))

    def __len__(self) -> int:
        return len(self._entries_of(Function))

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """The statistics, sorted by name."""
        return self._entries_of(Statistic)

    @property
    def macros(self) -> tuple[Macro, ...]:
        """The macros, sorted by name."""
        return self._entries_of(Macro)

    def _entries_of(self, kind: type[Any]) -> tuple[Any, ...]:
        self._load()
        return tuple(entry for _, entry in sorted(self._entries.items()) if type(entry) is kind)

    def _load(self) -> None:
        if not self._loaded:
            importlib.import_module("dsl.functions")
            self._loaded = True

    def _add(self, entry: Function | Statistic | Macro) -> None:
        if entry.name in self._entries or entry.name in READERS:
            raise RegistrationError(f"{entry.name}: a function of this name is already registered")
        self._entries[entry.name] = entry

    def _common(
        self, name: str, args: tuple[Arg, ...], returns: DType | Var, examples: Sequence[Any], body: type, *bodies: str
    ) -> dict[str, Any]:
        if not body.__module__.startswith("dsl.functions."):
            self._load()  # a clash with a built-in function is an error of the new one
        if not _NAME.fullmatch(name):
            raise RegistrationError(
                f"{name!r}: a function name is a lowercase letter, then letters, digits, underscores"
            )
        for method in bodies:
            if not callable(getattr(body, method, None)):
                raise RegistrationError(f"{name}: {body.__name__} needs a static method {method!r}")
        if not body.__doc__:
            raise RegistrationError(f"{name}: {body.__name__} needs a docstring")
        if not examples:
            raise RegistrationError(f"{name}: at least one example is needed")
        self._check_args(name, args, returns)
        return {
            "name": name,
            "args": args,
            "returns": returns,
            "examples": tuple(examples),
            "doc": inspect.cleandoc(body.__doc__),
            "family": body.__module__.rpartition(".")[2],
        }

    @staticmethod
    def _check_args(name: str, args: tuple[Arg, ...], returns: DType | Var) -> None:
        if len({arg.name for arg in args}) < len(args):
            raise RegistrationError(f"{name}: two parameters have the same name")
        for arg in args:
            if isinstance(arg.dtype, DType) and arg.dtype.only_constant and not arg.constant:
                raise RegistrationError(f"{name}: parameter {arg.name!r} of type {arg.dtype} must be constant")
        pattern = "".join("*" if arg.repeated else "?" if arg.optional else "." for arg in args)
        if not re.fullmatch(r"\.*(\?*|\*+\.*\?*)", pattern) or (
            "*" in pattern and len(pattern) - pattern.rindex("*") > pattern.count("*")
        ):
            raise RegistrationError(
                f"{name}: parameters are required, then repeated, then optional ones; fewer follow than are repeated"
            )
        if isinstance(returns, Var) and returns not in {arg.dtype for arg in args}:
            raise RegistrationError(f"{name}: no parameter has the type variable {returns.name} that it returns")

    @staticmethod
    def _check_template(name: str, args: tuple[Arg, ...], template: str) -> None:
        placeholders = {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}
        unknown = placeholders - {arg.name for arg in args if not arg.repeated}
        if unknown:
            raise RegistrationError(f"{name}: inline uses {sorted(unknown)}, which are not names of single parameters")


REGISTRY = Registry()
"""The functions of this process; ``dsl.functions`` is loaded on first use, users add theirs."""
