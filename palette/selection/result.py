"""What a selection found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["REASONS", "Label", "LeftOut", "Ranked", "Selection", "Step"]

# Why a feature may be left out; what matters most comes first.
REASONS = (
    *("label", "leak", "late", "duplicate", "irrelevant", "constant", "missing", "identifier", "type"),
    *("deprecated", "unreadable"),
)


@dataclass(frozen=True)
class Step:
    """A step of the work, told to the callback when it begins, and once in the end.

    Parameters
    ----------
    phase : {"label", "sample", "relevance", "redundancy", "done"}
        What begins.
    step, steps : int
        How many steps are done, of how many.
    """

    phase: str
    step: int
    steps: int


@dataclass(frozen=True)
class Label:
    """What the label looks like.

    Parameters
    ----------
    column : str
        Of the basis.
    task : {"classification", "regression"}
        Whether its values are classes, or numbers in quantile bins.
    bins : int
        How many classes or bins have rows.
    entropy : float
        In bits: what there is to tell.
    nulls : int
        Rows without label, which count nowhere.
    """

    column: str
    task: str
    bins: int
    entropy: float
    nulls: int


@dataclass(frozen=True)
class Ranked:
    """A feature that tells something of the label.

    Parameters
    ----------
    rank : int
        From 1.
    feature : str
        Its expression.
    selected : bool
        Whether it is among those that were asked for.
    relevance : float
        Bits of mutual information with the label, corrected for the size of the data.
    share : float
        The same of the label's entropy.
    redundancy : float
        Bits of mutual information, on average, with the features selected before it.
    score : float
        What it was ranked by.
    nulls : float
        Share of rows without value.
    distinct : int
        How many values it has; of more than a sample's worth of rows, how many the sample has.
    """

    rank: int
    feature: str
    selected: bool
    relevance: float
    share: float
    redundancy: float
    score: float
    nulls: float
    distinct: int


@dataclass(frozen=True)
class LeftOut:
    """A feature that was not ranked.

    Parameters
    ----------
    feature : str
        Its expression.
    reason : str
        One of ``REASONS``.
    why : str
        The same in a sentence.
    """

    feature: str
    reason: str
    why: str


@dataclass(frozen=True)
class Selection:
    """Features by what they tell of a label.

    Parameters
    ----------
    label : Label
        What was to be told.
    rows : int
        Rows with a label.
    sampled : int
        Of how many rows bins were fitted, and leaks looked for.
    method : {"mrmr", "relevance"}
        How it was ranked.
    ranked : tuple of Ranked
        The best first.
    left_out : tuple of LeftOut
        What was not ranked, by reason and name.
    notes : tuple of str
        What to know when reading this.
    versions : mapping of str to int
        Feature group to the table version that was read.
    passes : int
        How often the binned rows were read.
    seconds : dict of str to float
        What each phase took.

    Examples
    --------
    >>> label = Label("minutes", "regression", 10, 3.32, 0)
    >>> one = Ranked(1, "restaurant:kitchen:prep:r_id", True, 0.8, 0.24, 0.0, 0.8, 0.01, 40)
    >>> selection = Selection(label, 1000, 1000, "mrmr", (one,), ())
    >>> selection.features
    ['restaurant:kitchen:prep:r_id']
    """

    label: Label
    rows: int
    sampled: int
    method: str
    ranked: tuple[Ranked, ...]
    left_out: tuple[LeftOut, ...]
    notes: tuple[str, ...] = ()
    versions: Mapping[str, int] = field(default_factory=dict)
    passes: int = 0
    seconds: Mapping[str, float] = field(default_factory=dict, compare=False)

    @property
    def features(self) -> list[str]:
        """The selected expressions, the best first; columns of the basis are ``basis:column``."""
        return [one.feature for one in self.ranked if one.selected]

    @property
    def columns(self) -> dict[str, str]:
        """The selected features by column, as ``training_set`` takes them; columns of the basis are there already.

        A column is called like its feature; where several would be, like the group and the join key, too.

        Examples
        --------
        >>> one = Ranked(1, "airport:weather:wind:origin", True, 0.8, 0.24, 0.0, 0.8, 0.01, 40)
        >>> other = Ranked(2, "airport:weather:wind:dest", True, 0.8, 0.24, 0.0, 0.8, 0.01, 40)
        >>> Selection(Label("late", "classification", 2, 0.9, 0), 9, 9, "mrmr", (one, other), ()).columns
        {'weather_wind_origin': 'airport:weather:wind:origin', 'weather_wind_dest': 'airport:weather:wind:dest'}
        """
        named = [name for name in self.features if not name.startswith("basis:")]
        short = [name.split(":")[2].lower() for name in named]
        return {
            parts[2] if short.count(parts[2].lower()) == 1 else "_".join([*parts[1:3], *parts[3].split(",")]): name
            for name in named
            for parts in [name.split(":")]
        }

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        seconds = {name: round(taken, 3) for name, taken in self.seconds.items()}
        return {"features": self.features, **asdict(self), "versions": dict(self.versions), "seconds": seconds}

    def report(self, path: str | Path) -> None:
        """Write a report: a page, ``.html``; a text, ``.md``; or all figures, ``.json``. It is there whole or not.

        Raises
        ------
        DefinitionError
            If the path ends otherwise.
        """
        from palette.selection.report import write_report

        write_report(self, path)

    def __str__(self) -> str:
        from palette.selection.plain_text import plain_text

        return plain_text(self)

    def _repr_html_(self) -> str:
        from palette.selection.html import section

        return section(self)
