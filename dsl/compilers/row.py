"""The row compiler: the expressions of a stage become one generated Python function.

Each distinct subexpression is a local variable, null rules are inline tests, and everything from an expression (names,
strings, numbers) is bound in a table of constants: the source has generated identifiers only.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any

from dsl.compilers.analysis import references
from dsl.compilers.bind import Binding, bind
from dsl.compilers.coercion import reader, reading_lines
from dsl.compilers.generated import define
from dsl.compilers.missing_columns import required_lines
from dsl.dtypes import INT, LISTS, NUM, DType, Var
from dsl.errors import UnknownReferenceError
from dsl.refs import BasisRef
from dsl.registry import Function, Nulls
from dsl.syntax.build import literal
from dsl.syntax.nodes import Call, Literal, Node, Read, Widen, walk
from dsl.syntax.parser import parse

__all__ = ["Program", "compile_row", "distinct_reads", "generate", "reader"]


@dataclass(frozen=True, slots=True)
class Program:
    """Straight-line Python code that computes outputs from local variables.

    Parameters
    ----------
    lines : list of str
        Assignments, not indented.
    constants : dict of str to object
        The constants that the lines refer to.
    outputs : dict of str to str
        The local variable or constant of each output.
    """

    lines: list[str]
    constants: dict[str, Any]
    outputs: dict[str, str]


def compile_row(
    exprs: Mapping[str, Node | str] | Node | str,
    bindings: Mapping[str, Binding] | None = None,
    statistics: Mapping[str, Any] | None = None,
    *,
    required: bool = False,
) -> Callable[[Mapping[str, Any]], Any]:
    """Compile expressions to one Python function of a row.

    Parameters
    ----------
    exprs : mapping of str to Node or str, or Node or str
        Expressions by output name, or a single one.
    bindings : mapping of str to Binding, optional
        The key of the row for each reference, and its type. By default ``basis:x`` is ``row["x"]``, the key of a
        feature is its canonical name, and both have the type that they are read as.
    statistics : mapping of str to constant, optional
        Fitted statistics by canonical text.
    required : bool, default False
        Whether a row must have every column that is read: one that lacks it raises `UnknownReferenceError`, as a
        DataFrame without it does. By default a missing key is null.

    Returns
    -------
    callable
        It accepts a mapping, and returns a dict of the outputs (or the single value).

    Examples
    --------
    >>> score = compile_row({"late": "nFill(nVal('basis:delay'), 0) > 15"})
    >>> score({"delay": 20}), score({})
    ({'late': True}, {'late': False})
    >>> compile_row("nVal('basis:x') * 2")({"x": 1.5})
    3.0
    """
    single = isinstance(exprs, (Node, str))
    exprs_by_output = {"value": exprs} if isinstance(exprs, (Node, str)) else exprs
    nodes = {output: parse(expr) if isinstance(expr, str) else expr for output, expr in exprs_by_output.items()}
    if bindings is None:
        bindings = _default_bindings(nodes)
    bound = bind(nodes, bindings, statistics)
    code = _Code("r")
    reads = distinct_reads(bound)
    columns = dict.fromkeys(bindings[str(read.ref)].column for read in reads)
    raw = {column: f"k{index}" for index, column in enumerate(columns)} if required else {}
    inputs = {read: code.read_from_row(read, bindings[str(read.ref)], raw) for read in reads}
    program = generate(bound, inputs)
    prologue = required_lines(raw, UnknownReferenceError, code.constant) if required else ["get = row.get"]
    lines = [*prologue, *code.lines, *program.lines]
    values = {output: _copy_list(atom, bound[output].dtype) for output, atom in program.outputs.items()}
    if single:
        lines.append(f"return {values['value']}")
    else:
        pairs = ", ".join(f"{code.constant(output, output)}: {value}" for output, value in values.items())
        lines.append(f"return {{{pairs}}}")
    return define("score", ["row"], lines, {**code.constants, **program.constants})


def distinct_reads(bound: Mapping[str, Node]) -> list[Read]:
    """Return the distinct reads of expressions in order; one reference may be read as two types."""
    reads = dict.fromkeys(part for node in bound.values() for part in walk(node) if isinstance(part, Read))
    return list(reads)


def generate(bound: Mapping[str, Node], inputs: Mapping[Read, str], prefix: str = "v") -> Program:
    """Generate the code of bound expressions, for the body of a function.

    Parameters
    ----------
    bound : mapping of str to Node
        Expressions from `dsl.compilers.bind.bind`.
    inputs : mapping of Read to str
        The local variable of each read's value, converted already (see `reader`).
    prefix : str, default "v"
        Start of the generated names; it differs between programs of the same function.

    Returns
    -------
    Program
        Its lines never raise, whatever the values are.

    Examples
    --------
    >>> read = parse("nVal('basis:x')")
    >>> program = generate({"y": read + 1}, {read: "x"})
    >>> program.lines, program.constants, program.outputs
    (['v0 = None if x is None else (x + v_c0)'], {'v_c0': 1.0}, {'y': 'v0'})
    """
    code = _Code(prefix, inputs)
    outputs = {output: code.atom(node) for output, node in bound.items()}
    return Program(code.lines, code.constants, outputs)


class _Code:
    """Lines, constants and the local variable of each node, as they are generated."""

    def __init__(self, prefix: str, inputs: Mapping[Read, str] | None = None) -> None:
        self.lines: list[str] = []
        self.constants: dict[str, Any] = {}
        self._prefix = prefix
        self._atoms: dict[Node, str] = dict((inputs or {}).items())
        self._constant_names: dict[Hashable, str] = {}
        self._locals = 0

    def atom(self, node: Node) -> str:
        """Return the variable or constant of a node's value, after generating its code."""
        if node not in self._atoms:
            self._atoms[node] = self._generate(node)
        return self._atoms[node]

    def constant(self, value: object, key: Hashable) -> str:
        """Return the name of a constant, after binding it."""
        if value is None or value is True or value is False:
            return repr(value)
        if key not in self._constant_names:
            self._constant_names[key] = f"{self._prefix}_c{len(self.constants)}"
            self.constants[self._constant_names[key]] = value
        return self._constant_names[key]

    def read_from_row(self, read: Read, binding: Binding, raw: Mapping[str, str]) -> str:
        """Generate the conversion of a value of ``row``; ``raw`` has the variables of columns that are read already."""
        local, column = self._local(), binding.column
        atom = raw.get(column) or f"get({self.constant(column, ('column', column))})"
        self.lines.append(f"{local} = {atom}")
        self.lines += reading_lines(local, read.dtype, binding.type, str(read.ref), self.constant)
        return local

    def _generate(self, node: Node) -> str:
        match node:
            case Literal():
                return self.constant(node.plain, node)
            case Widen(arg):
                atom = self.atom(arg)
                return self._assign(f"None if {atom} is None else {atom} + {self.constant(0.0, literal(0.0))}")
        assert isinstance(node, Call)
        assert isinstance(node.function, Function)
        atoms = [self.atom(arg) for arg in node.args]
        value = self._value(node, node.function, atoms)
        if node.function.nulls is Nulls.HANDLED:
            return self._assign(value)
        if "None" in atoms:
            return "None"
        nullable = dict.fromkeys(
            atom for atom, arg in zip(atoms, node.args, strict=True) if not isinstance(arg, Literal)
        )
        test = " or ".join(f"{atom} is None" for atom in nullable)
        return self._assign(f"None if {test} else {value}" if test else value)

    def _value(self, node: Call, function: Function, atoms: list[str]) -> str:
        parameters = function.parameters(len(node.args))
        variable = next((a.dtype for p, a in zip(parameters, node.args, strict=True) if isinstance(p.dtype, Var)), None)
        template = function.inline.get(variable, function.inline.get(None))
        if template is None:
            return f"{self.constant(function.row, function)}({', '.join(atoms)})"
        return template.format(**{p.name: atom for p, atom in zip(parameters, atoms, strict=True)})

    def _assign(self, value: str) -> str:
        local = self._local()
        self.lines.append(f"{local} = {value}")
        return local

    def _local(self) -> str:
        self._locals += 1
        return f"{self._prefix}{self._locals - 1}"


def _copy_list(atom: str, dtype: DType) -> str:
    """Return a value that the caller may modify: a list may be a constant of the function, or an input."""
    return f"None if {atom} is None else [*{atom}]" if dtype in LISTS else atom


def _default_bindings(nodes: Mapping[str, Node]) -> dict[str, Binding]:
    """Bind each reference to its name and to the type that it is read as."""
    types: dict[str, str] = {}
    for read in distinct_reads(nodes):
        both = {read.dtype.spark, types.get(str(read.ref))} == {NUM.spark, INT.spark}
        types[str(read.ref)] = INT.spark if both else read.dtype.spark
    return {
        str(ref): Binding(ref.column if isinstance(ref, BasisRef) else str(ref), types.get(str(ref), "double"))
        for ref in references(nodes.values())
    }
