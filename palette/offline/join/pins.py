"""Table versions that a training set was read from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dsl.refs import FeatureRef, parse_ref
from palette.errors import DataError

if TYPE_CHECKING:
    from pyspark.sql.types import StructType

__all__ = ["pinned_versions"]


def pinned_versions(schema: StructType) -> dict[str, int]:
    """Return group to table version, from the metadata of the columns.

    Raises
    ------
    DataError
        If no column carries its origin, or columns of one group come from two versions.
    """
    pins: dict[str, int] = {}
    for field in schema.fields:
        origin = (field.metadata or {}).get("feature")
        if not isinstance(origin, dict) or "version" not in origin:
            continue
        ref = parse_ref(origin["ref"])
        assert isinstance(ref, FeatureRef)
        group, version = f"{ref.entity}:{ref.group}", origin["version"]
        if pins.setdefault(group, version) != version:
            raise DataError(
                f"{group} was read at versions {pins[group]} and {version}: take the pins of each training set"
            )
    if not pins:
        raise DataError("no column of this DataFrame came from training_set(); take the pins before unions and files")
    return pins
