"""Rules by which features are left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from palette.selection.records import LeftOut
from palette.statistics.information import above_chance, entropy, mutual_information

if TYPE_CHECKING:
    from palette.selection.profile import FeatureProfile
    from palette.selection.settings import SelectionSettings

__all__ = ["exclude"]

# The minimum number of values to recognize identifiers.
FEWEST = 50
# Characters of a value in a message.
LONGEST_SHOWN = 40


def exclude(profile: FeatureProfile, table: Any, settings: SelectionSettings, tests: int) -> LeftOut | None:
    """Return why a feature is left out, by the first rule that applies; None if it is ranked.

    Parameters
    ----------
    profile : FeatureProfile
        Its profile in the sample.
    table : array
        Contingency table of the label's codes and those of the feature, in all rows.
    settings : SelectionSettings
        The limits.
    tests : int
        Number of features that are tested.
    """
    for reason, rule in (
        ("missing", _missing(table, settings)),
        ("constant", _constant(profile, table, settings)),
        ("identifier", _identifier(profile, settings)),
        ("irrelevant", _irrelevant(profile, table, tests)),
        ("leak", _leak(profile, table, settings)),
        ("late", _late(profile)),
    ):
        if rule:
            return LeftOut(profile.variable.name, reason, rule)
    return None


def _missing(table: Any, settings: SelectionSettings) -> str:
    share = float(table[:, 0].sum() / table.sum())
    return f"{_percent(share)} of the rows have no value" if share >= settings.missing else ""


def _constant(profile: FeatureProfile, table: Any, settings: SelectionSettings) -> str:
    counts = table.sum(axis=0)
    code = int(counts.argmax())
    share = float(counts[code] / counts.sum())
    if share < settings.constant or (code and profile.bins.values[code] is None):
        return ""
    return f"{_percent(share)} of the rows have {_shown(profile, code)}"


def _identifier(profile: FeatureProfile, settings: SelectionSettings) -> str:
    variable, distinct = profile.variable, profile.bins.distinct
    if not (variable.is_string or variable.is_integer) or profile.holders < FEWEST:
        return ""
    if distinct < settings.identifier * profile.holders:
        return ""
    rows = "rows" if variable.is_basis_column or variable.is_integer else "rows of its group that were matched"
    return f"{distinct:,} distinct values in {profile.holders:,.0f} {rows}"


def _leak(profile: FeatureProfile, table: Any, settings: SelectionSettings) -> str:
    share = max(profile.fine, mutual_information(table) / entropy(table.sum(axis=1)))
    return f"explains {_percent(min(1.0, share))} of the label by itself" if share >= settings.leak else ""


def _late(profile: FeatureProfile) -> str:
    timely = profile.timeliness
    if timely is None or not timely.late:
        return ""
    if not timely.seeming:
        return "its values were written after the times of the rows that would read them"
    return (
        f"known only afterwards: by event time it explains {_percent(timely.seeming)} of the label, "
        f"by what had been written then {_percent(timely.true)}"
    )


def _irrelevant(profile: FeatureProfile, table: Any, tests: int) -> str:
    return "" if above_chance(table, tests, profile.inflation) else "no more information about the label than by chance"


def _shown(profile: FeatureProfile, code: int) -> str:
    value = profile.bins.values[code]
    if code == 0:
        return "no value"
    if profile.variable.dtype == "boolean":
        return f"the value {'true' if value else 'false'}"
    if isinstance(value, str):
        return f"the value {value if len(value) <= LONGEST_SHOWN else value[:LONGEST_SHOWN] + '...'!r}"
    return f"the value {int(value) if profile.variable.is_integer else value}"


def _percent(share: float) -> str:
    """Format a share; only all is 100%, only nothing 0%.

    Examples
    --------
    >>> _percent(0.9999), _percent(1.0), _percent(0.123)
    ('99.9%', '100%', '12.3%')
    """
    if 0 < share < 0.001:
        return "less than 0.1%"
    return f"{int(share * 1000) / 10:.1f}%" if 0.999 <= share < 1 else f"{share * 100:.3g}%"
