"""Bindings from a schema: a basis column by its name, a feature by the metadata of its column."""

from __future__ import annotations

import json
from collections.abc import Mapping

from pyspark.sql.types import StructType

from dsl.compilers.analysis import references
from dsl.compilers.bind import Binding
from dsl.errors import UnknownReferenceError, nearest
from dsl.refs import BasisRef, FeatureRef
from dsl.syntax.nodes import Node

__all__ = ["column_types", "find_bindings"]


def find_bindings(nodes: Mapping[str, Node], schema: StructType) -> dict[str, Binding]:
    """Return the binding of each reference of expressions, by canonical name.

    Raises
    ------
    UnknownReferenceError
        The schema has no column for a reference.
    """
    features: dict[str, Binding] = {}
    for field in schema.fields:
        feature = (field.metadata or {}).get("feature")
        if isinstance(feature, dict) and isinstance(feature.get("ref"), str):
            dtype, default = field.dataType.simpleString(), feature.get("default")
            if dtype.startswith("array<") and isinstance(default, str):
                default = json.loads(default)  # lists in Spark's metadata are of one type, so these are JSON strings
            # A renamed copy keeps the metadata; either one will do.
            features.setdefault(feature["ref"], Binding(field.name, dtype, default))
    types = column_types(schema)
    return {str(ref): _find(ref, features, types) for ref in references(nodes.values())}


def column_types(schema: StructType) -> dict[str, str]:
    """Return the types of all columns by name; a look-up in the schema itself takes longer the more there are."""
    types: dict[str, str] = {}
    for field in schema.fields:
        types.setdefault(field.name, field.dataType.simpleString())
    return types


def _find(ref: FeatureRef | BasisRef, features: Mapping[str, Binding], types: Mapping[str, str]) -> Binding:
    if isinstance(ref, BasisRef):
        if ref.column not in types:
            raise UnknownReferenceError(f"column {ref.column!r} is missing{nearest(ref.column, types)}")
        return Binding(ref.column, types[ref.column])
    if str(ref) not in features:
        raise UnknownReferenceError(
            f"no column holds feature {str(ref)!r}{nearest(str(ref), features)}; put a PaletteTransformer with it "
            "before this stage, or use MLPipeline"
        )
    return features[str(ref)]
