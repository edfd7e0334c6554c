"""Why a feature is left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from palette.selection.result import LeftOut
from palette.statistics.information import above_chance, entropy, mutual_information

if TYPE_CHECKING:
    from palette.selection.profile import Facts
    from palette.selection.settings import Settings

__all__ = ["left_out"]

# With fewer values than this, nothing can be said of their being distinct.
FEWEST = 50
SHOWN = 40


def left_out(facts: Facts, table: Any, settings: Settings, tests: int) -> LeftOut | None:
    """Return why a feature is left out, by the first rule that it breaks; None if it is ranked.

    Parameters
    ----------
    facts : Facts
        What the sample shows of it.
    table : array
        The codes of the label with those of the feature, in all rows.
    settings : Settings
        Where the limits are.
    tests : int
        How many features are asked about.
    """
    for reason, rule in (
        ("missing", _missing(table, settings)),
        ("constant", _constant(facts, table, settings)),
        ("identifier", _identifier(facts, settings)),
        ("irrelevant", _irrelevant(facts, table, tests)),
        ("leak", _leak(facts, table, settings)),
        ("late", _late(facts)),
    ):
        if rule:
            return LeftOut(facts.variable.name, reason, rule)
    return None


def _missing(table: Any, settings: Settings) -> str:
    share = float(table[:, 0].sum() / table.sum())
    return f"{_percent(share)} of the rows have no value" if share >= settings.missing else ""


def _constant(facts: Facts, table: Any, settings: Settings) -> str:
    counts = table.sum(axis=0)
    code = int(counts.argmax())
    share = float(counts[code] / counts.sum())
    if share < settings.constant or (code and facts.bins.values[code] is None):
        return ""
    return f"{_percent(share)} of the rows have {_shown(facts, code)}"


def _identifier(facts: Facts, settings: Settings) -> str:
    one, distinct = facts.variable, facts.bins.distinct
    if not (one.is_text or one.is_integer) or facts.holders < FEWEST:
        return ""
    if distinct < settings.identifier * facts.holders:
        return ""
    rows = "rows" if one.is_own or one.is_integer else "rows of its group that were found"
    return f"{distinct:,} distinct values in {facts.holders:,.0f} {rows}"


def _leak(facts: Facts, table: Any, settings: Settings) -> str:
    share = max(facts.fine, mutual_information(table) / entropy(table.sum(axis=1)))
    return f"tells {_percent(min(1.0, share))} of the label by itself" if share >= settings.leak else ""


def _late(facts: Facts) -> str:
    timely = facts.timeliness
    if timely is None or not timely.late:
        return ""
    if not timely.seeming:
        return "its values were written after the times of the rows that would read them"
    return (
        f"known only afterwards: as of event time it tells {_percent(timely.seeming)} of the label, "
        f"of what had been written by then {_percent(timely.true)}"
    )


def _irrelevant(facts: Facts, table: Any, tests: int) -> str:
    return "" if above_chance(table, tests, facts.inflation) else "tells no more of the label than chance would"


def _shown(facts: Facts, code: int) -> str:
    value = facts.bins.values[code]
    if code == 0:
        return "no value"
    if facts.variable.dtype == "boolean":
        return f"the value {'true' if value else 'false'}"
    if isinstance(value, str):
        return f"the value {value if len(value) <= SHOWN else value[:SHOWN] + '...'!r}"
    return f"the value {int(value) if facts.variable.is_integer else value}"


def _percent(share: float) -> str:
    """Return a share for people; never 100% of what is not all, nor 0% of what is not nothing.

    Examples
    --------
    >>> _percent(0.9999), _percent(1.0), _percent(0.123)
    ('99.9%', '100%', '12.3%')
    """
    if 0 < share < 0.001:
        return "less than 0.1%"
    return f"{int(share * 1000) / 10:.1f}%" if 0.999 <= share < 1 else f"{share * 100:.3g}%"
