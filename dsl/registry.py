"""The registry: one record per function, with both bodies, its types, its null rule and its examples.

A function of the language is a class with a docstring and two static methods: ``column(F, ...)`` builds a Spark Column,
``row(...)`` computes the same from plain Python values. Constant arguments reach both as plain Python values (a list
for ``STRINGS``, a dict for ``WEIGHTS``); the others are Columns, or Python values: ``float``, ``int`` within 64 bits,
``str``, ``bool``, naive UTC ``datetime``, ``list`` of ``float`` without nulls. Neither body may raise on data.
"""

from __future__ import annotations

import importlib
import inspect
import re
import string
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeVar

from dsl.dtypes import READERS, DType, Var
from dsl.errors import DslTypeError, RegistrationError, UnknownFunctionError, nearest

__all__ = ["DECLARED", "REGISTRY", "REQUIRED", "Arg", "Function", "Macro", "Nulls", "Registry", "Statistic"]

_NAME = re.compile(r"[a-z][A-Za-z0-9_]*")
_Body = TypeVar("_Body", bound=type)


class Nulls(Enum):
    """Who deals with nulls: the framework (any null in, null out) or the function."""

    PROPAGATE = "propagate"
    HANDLED = "handled"


class _Absent(Enum):
    REQUIRED = "required"
    DECLARED = "declared"


REQUIRED = _Absent.REQUIRED
"""Default of an argument that must be given."""
DECLARED = _Absent.DECLARED
"""Default of a last argument that stands for the declared default of the feature read by the first one."""


@dataclass(frozen=True, slots=True)
class Arg:
    """One parameter of a function.

    Parameters
    ----------
    name : str
        As in the two bodies.
    dtype : DType or Var
        What it takes; parameters with the same variable take the same type.
    constant : bool, default False
        Whether it takes only a literal or a statistic.
    default : object, optional
        Value of an argument left out (trailing ones only), or `DECLARED`.
    repeated : bool, default False
        Whether it may be given several times. Several repeated parameters in a row repeat together, as the condition
        and the value of ``case`` do; the bodies take them as ``*args``. They are given at least once.
    check : callable, optional
        Called with a constant's value, never None; raises ValueError when it is a bad one.
    """

    name: str
    dtype: DType | Var
    constant: bool = False
    default: Any = REQUIRED
    repeated: bool = False
    check: Callable[[Any], object] | None = None

    @property
    def optional(self) -> bool:
        """Whether it can be left out."""
        return self.default is not REQUIRED


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Signature:
    """What every registered function has.

    Parameters
    ----------
    name : str
        As people write it.
    args : tuple of Arg
        Its parameters.
    returns : DType or Var
        The type of its value.
    examples : sequence
        Pairs of arguments and value.
    doc : str
        Its docstring.
    family : str
        The module that defines it.
    """

    name: str
    args: tuple[Arg, ...]
    returns: DType | Var
    examples: Sequence[tuple[Any, Any]]
    doc: str
    family: str
    _repeated: tuple[Arg, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_repeated", tuple(arg for arg in self.args if arg.repeated))

    def parameters(self, count: int) -> tuple[Arg, ...]:
        """Return the parameter that each of `count` arguments belongs to.

        Raises
        ------
        DslTypeError
            The function does not take so many arguments.
        """
        if not self._repeated:
            required = sum(not arg.optional for arg in self.args)
            if required <= count <= len(self.args):
                return self.args[:count]
            raise self._wrong_count(count)
        first = self.args.index(self._repeated[0])
        before, after = self.args[:first], self.args[first + len(self._repeated) :]
        times, rest = divmod(count - len(before), len(self._repeated))
        required = sum(not arg.optional for arg in after)
        if times < 1 or not required <= rest <= len(after):
            raise self._wrong_count(count)
        return before + self._repeated * times + after[:rest]

    def missing(self, count: int) -> tuple[Arg, ...]:
        """Return the parameters left out, when `count` arguments are given."""
        given = self.parameters(count)
        return tuple(arg for arg in self.args if not arg.repeated and arg not in given)

    def _wrong_count(self, count: int) -> DslTypeError:
        return DslTypeError(f"{self.name}: expected {self.usage}, found {count} argument{'s' * (count != 1)}")

    @property
    def usage(self) -> str:
        """How it is called, for people: ``round(x, digits=0)``."""
        shown = []
        for arg in self.args:
            if arg.repeated:
                shown.append(f"{arg.name}...")
            elif arg.default is DECLARED:
                shown.append(f"{arg.name}=<declared>")
            else:
                shown.append(f"{arg.name}={arg.default!r}" if arg.optional else arg.name)
        return f"{self.name}({', '.join(shown)})"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Function(Signature):
    """A function of the language.

    Parameters
    ----------
    nulls : Nulls
        Its null rule.
    column, row : callable
        The two bodies.
    ulps : int
        How many units in the last place the two may differ.
    edges : mapping of str to sequence, optional
        Values worth trying, by parameter; they replace those of the parameter's type.
    inline : mapping of DType or None to str
        Python expressions that stand for a call of `row`, by the type of the function's variable (None: any type).
    """

    nulls: Nulls
    column: Callable[..., Any]
    row: Callable[..., Any]
    ulps: int = 0
    edges: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    inline: Mapping[DType | None, str] = field(default_factory=dict)

    def call(self, *args: Any) -> Any:
        """Compute the value for plain Python arguments, null rule and defaults included."""
        args += tuple(arg.default for arg in self.missing(len(args)))
        if self.nulls is Nulls.PROPAGATE and any(arg is None for arg in args):
            return None
        return self.row(*args)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Statistic(Signature):
    """A figure of the training data, frozen when an estimator is fitted.

    Parameters
    ----------
    aggregate : callable
        ``aggregate(F, x, **constants)`` returns one aggregate Column that skips null and NaN.
    finish : callable
        ``finish(value, **constants)`` makes the frozen constant out of the collected value.
    """

    aggregate: Callable[..., Any]
    finish: Callable[..., Any]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Macro(Signature):
    """A function written in terms of others.

    Parameters
    ----------
    expand : callable
        Takes nodes (for constant parameters plain values, where they are literals) and returns a node.
    """

    expand: Callable[..., Any]


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
            The type of its value; a variable is that of a parameter.
        examples : sequence
            Pairs of argument tuple and value, at least one; constants stand among the arguments.
        nulls : Nulls, default PROPAGATE
            Under PROPAGATE `row` never sees None, and null comes out; `column` obeys by itself.
        ulps : int, default 0
            How many units in the last place the bodies may differ.
        edges : mapping of str to sequence, optional
            Values worth trying, by parameter name, instead of the usual ones of its type.
        inline : str or mapping of DType to str, optional
            A Python expression, such as ``"({x} + {y})"``, equal to `row` and used in its place by the row compiler.
            The placeholders are names or constants, so that they may stand several times; builtins cannot be used. A
            mapping gives one expression for each type of the function's variable.

        Returns
        -------
        callable
            A decorator that returns the class unchanged.
        """

        def decorate(body: _Body) -> _Body:
            templates = {None: inline} if isinstance(inline, str) else dict(inline or {})
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
        self, name: str, *args: Arg, returns: DType | Var, examples: Sequence[tuple[Any, Any]]
    ) -> Callable[[_Body], _Body]:
        """Register a class with ``aggregate(F, x, **constants)`` as a statistic of the training data.

        An optional ``finish(value, **constants)`` turns the collected value into the constant to keep.
        """

        def decorate(body: _Body) -> _Body:
            common = self._common(name, args, returns, examples, body, "aggregate")
            finish = getattr(body, "finish", lambda value, **_: value)
            self._add(Statistic(**common, aggregate=body.aggregate, finish=finish))  # type: ignore[attr-defined]
            return body

        return decorate

    def macro(
        self, name: str, *args: Arg, returns: DType | Var, examples: Sequence[tuple[Any, Any]]
    ) -> Callable[[_Body], _Body]:
        """Register a class with ``expand(...)``, which writes the function in terms of others."""

        def decorate(body: _Body) -> _Body:
            common = self._common(name, args, returns, examples, body, "expand")
            self._add(Macro(**common, expand=body.expand))  # type: ignore[attr-defined]
            return body

        return decorate

    def get(self, name: str) -> Function | Statistic | Macro:
        """Return what is registered under `name`.

        Raises
        ------
        UnknownFunctionError
            Nothing is; the nearest known name is offered.
        """
        self._load()
        entry = self._entries.get(name)
        if entry is None:
            raise UnknownFunctionError(f"unknown function {name!r}{nearest(name, self.names)}")
        return entry

    def has_function(self, name: str) -> bool:
        """Tell whether expressions can call `name`.

        Examples
        --------
        >>> REGISTRY.has_function("nVal"), REGISTRY.has_function("nope")
        (True, False)
        """
        self._load()
        return name in self._entries or name in READERS

    def describe(self, name: str) -> str:
        """Return how a function is called and what it does.

        Examples
        --------
        >>> print(REGISTRY.describe("sVal"))
        sVal('entity:group:feature:key')
        <BLANKLINE>
        Read a feature, or a basis column ('basis:column'), as a string.
        """
        if name in READERS:
            what = f"Read a feature, or a basis column ('basis:column'), as a {READERS[name]}."
            return f"{name}('entity:group:feature:key')\n\n{what}"
        entry = self.get(name)
        return f"{entry.usage}\n\n{entry.doc}"

    @property
    def names(self) -> list[str]:
        """Every name that an expression can call, sorted."""
        self._load()
        return sorted([*self._entries, *READERS])

    def __iter__(self) -> Iterator[Function]:
        return iter(self._of(Function))

    def __len__(self) -> int:
        return len(self._of(Function))

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """The statistics, sorted by name."""
        return self._of(Statistic)

    @property
    def macros(self) -> tuple[Macro, ...]:
        """The macros, sorted by name."""
        return self._of(Macro)

    def _of(self, kind: type[Any]) -> tuple[Any, ...]:
        self._load()
        return tuple(entry for _, entry in sorted(self._entries.items()) if type(entry) is kind)

    def _load(self) -> None:
        if not self._loaded:
            importlib.import_module("dsl.functions")
            self._loaded = True

    def _add(self, entry: Function | Statistic | Macro) -> None:
        if entry.name in self._entries or entry.name in READERS:
            raise RegistrationError(f"{entry.name}: a function of this name is registered already")
        self._entries[entry.name] = entry

    def _common(
        self, name: str, args: tuple[Arg, ...], returns: DType | Var, examples: Sequence[Any], body: type, *bodies: str
    ) -> dict[str, Any]:
        if not body.__module__.startswith("dsl.functions."):
            self._load()  # a clash with the functions that come with the language is the newcomer's mistake
        if not _NAME.fullmatch(name):
            raise RegistrationError(f"{name!r}: a function name is a small letter, then letters, digits, underscores")
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
        used = {placeholder for _, placeholder, _, _ in string.Formatter().parse(template) if placeholder is not None}
        unknown = used - {arg.name for arg in args if not arg.repeated}
        if unknown:
            raise RegistrationError(f"{name}: inline uses {sorted(unknown)}, which are no single parameters")


REGISTRY = Registry()
"""The functions of this process; ``dsl.functions`` fills it on first use, users add theirs."""
