"""Time zones of a model: whether the clocks that it was fitted on go as those here do."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from palette.errors import TimeZoneWarning

__all__ = ["check_zones", "warn_of_zone"]

Changes = Iterable[Iterable[int]]


def check_zones(runtime: Mapping[str, Any]) -> None:
    """Warn of zones that have other rules here, from 1970 on, than Java's had where the model was fitted.

    Parameters
    ----------
    runtime : mapping
        Of a plan: ``zones`` has what :func:`palette.serving.runtime.zone_rules` returned, if there are any.
    """
    known = runtime.get("zones")
    if not known:
        return
    # Here, not above: plans without zones do without the language.
    from dsl.zones import database_release, offset_changes

    release = database_release()
    if known["agree"] and release == known["python"]:
        return
    for zone, rules in known["rules"].items():
        warn_of_zone(zone, rules, known["java"], offset_changes(zone, start=0), release)


def warn_of_zone(zone: str, java: Changes, java_release: str, python: Changes, python_release: str) -> None:
    """Warn if the clocks of a zone change otherwise in Java's time zone database than in Python's."""
    before, after = ({tuple(change) for change in changes} for changes in (java, python))
    if before == after:
        return
    times = [datetime.fromtimestamp(second, UTC) for second, _ in before ^ after]
    message = (
        f"hours of {zone} at times from {min(times):%Y-%m-%d} to {max(times):%Y-%m-%d} differ between the time zone "
        f"databases of Java where the model was fitted ({java_release or 'of unknown release'}) and of Python here "
        f"({python_release or 'of unknown release'}); use the same release on both sides (tzdata, tzupdater)"
    )
    warnings.warn(message, TimeZoneWarning, stacklevel=3)
