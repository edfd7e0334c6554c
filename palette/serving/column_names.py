"""Names of columns, resolved as Spark does: the case counts or not, backticks quote, dots lead to fields of structs."""

from __future__ import annotations

from collections.abc import Mapping

from palette.errors import DataError
from palette.serving.stages import LocalStage
from palette.serving.stages.features.column_name import ReadColumn

__all__ = ["Names", "fields_of", "parts_of"]


def parts_of(name: str) -> list[str]:
    """Return the parts of a name between dots; a part in backticks may hold dots, and two backticks for one.

    Examples
    --------
    >>> parts_of("a.b"), parts_of("`a.b`.c"), parts_of("`a``b`")
    (['a', 'b'], ['a.b', 'c'], ['a`b'])
    """
    parts, part, quoted, at = [], "", False, 0
    while at < len(name):
        sign = name[at]
        if sign == "`" and quoted and name[at + 1 : at + 2] == "`":
            part, at = part + "`", at + 1
        elif sign == "`":
            quoted = not quoted
        elif sign == "." and not quoted:
            parts.append(part)
            part = ""
        else:
            part += sign
        at += 1
    return [*parts, part]


def fields_of(dtype: str) -> dict[str, str]:
    """Return the fields of a struct type with their types; other types have none.

    Examples
    --------
    >>> fields_of("struct<x:double,p:struct<lat:double,m:map<string,int>>>")
    {'x': 'double', 'p': 'struct<lat:double,m:map<string,int>>'}
    """
    if not dtype.startswith("struct<"):
        return {}
    fields, depth, start = [], 0, 0
    inner = dtype[len("struct<") : -1] + ","
    for at, sign in enumerate(inner):
        depth += (sign in "<(") - (sign in ">)")
        if sign == "," and not depth:
            fields.append(inner[start:at])
            start = at + 1
    return {name: kind for name, _, kind in (field.partition(":") for field in fields if field)}


class Names:
    """The columns that exist before a step.

    Parameters
    ----------
    types : mapping of str to str
        The columns of a request row with their Spark types.
    complete : bool
        Whether there are no others; if not, a name that is unknown is that of one more column of the request row.
    case_sensitive : bool
        Whether names that differ by case are of two columns.
    """

    def __init__(self, types: Mapping[str, str], *, complete: bool, case_sensitive: bool = False) -> None:
        self._types: dict[str, str] = dict(types)
        self._complete = complete
        self._case_sensitive = case_sensitive

    def reading(self, stage: LocalStage) -> list[LocalStage]:
        """Return the steps that a stage needs before it, so that it finds its inputs under the names it knows.

        Raises
        ------
        DataError
            If a name is that of several columns, or leads to a field that a struct has not.
        """
        return [step for name in dict.fromkeys(stage.inputs) if (step := self._read(name, stage)) is not None]

    def made_by(self, stage: LocalStage) -> dict[str, str]:
        """Return the outputs of a stage with their types, empty where unknown."""
        types = stage.result_types([self.type_of(name) for name in stage.inputs])
        return dict(zip(stage.outputs, types, strict=True))

    def add(self, columns: Mapping[str, str]) -> None:
        """Add what a step makes, with types; it replaces columns of the same name."""
        for column, dtype in columns.items():
            for other in self._like(column):
                del self._types[other]
            self._types[column] = dtype

    def request(self, columns: Mapping[str, str]) -> None:
        """Add columns of the request row, with types, where they are unknown."""
        self._types = {**columns, **self._types}

    def resolve(self, name: str) -> str:
        """Return the column that a name is of, or that holds the struct; the name itself if there is none.

        Examples
        --------
        >>> names = Names({"Num": "double", "at": "struct<x:double>"}, complete=True)
        >>> [names.resolve(name) for name in ("num", "at.x", "other")]
        ['Num', 'at', 'other']
        """
        return self._column(name) or self._column(parts_of(name)[0]) or name

    def type_of(self, name: str) -> str:
        """Return the type of the value that a name is of; empty if it is not known."""
        first, *fields = parts_of(name)
        dtype = self._types.get(self._column(first) or "", "")
        for field in fields:
            _, dtype = self._field(name, dtype, field)
        return dtype

    def _like(self, name: str) -> list[str]:
        if self._case_sensitive:
            return [name] if name in self._types else []
        return [column for column in self._types if column.lower() == name.lower()]

    def _column(self, name: str) -> str | None:
        if name in self._types:
            return name
        candidates = self._like(name)
        if len(candidates) > 1:
            raise DataError(f"column {name!r} may be {' or '.join(map(repr, candidates))}; write the name as it is")
        return candidates[0] if candidates else None

    def _read(self, name: str, stage: LocalStage) -> ReadColumn | None:
        first, *fields = parts_of(name)
        column = self._column(first)
        if column is None:
            if self._complete:
                # Perhaps a label, which is not there at serving.
                return None
            column = first
            self._types[column] = ""
        if column == name:
            return None
        dtype, path = self._types[column], []
        for field in fields:
            field, dtype = self._field(name, dtype, field)
            path.append(field)
        return ReadColumn((column,), (name,), path, dtype if path else "", bool(stage.optional_parts), stage.numeric)

    def _field(self, name: str, dtype: str, field: str) -> tuple[str, str]:
        known = fields_of(dtype)
        if not dtype or field in known:
            return field, known.get(field, "")
        like = [other for other in known if other.lower() == field.lower() and not self._case_sensitive]
        if len(like) != 1:
            raise DataError(
                f"column {name!r}: {dtype!r:.200} has no field {field!r} that can be read; select it into a column of "
                "its own, and let the stage read that"
            )
        return like[0], known[like[0]]
