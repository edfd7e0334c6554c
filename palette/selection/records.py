"""Records of a selection: label, ranked features, features left out, and all of them together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = ["REASONS", "Label", "LeftOut", "Ranked", "SelectionRecord", "Step"]

# Reasons for leaving a feature out, the most important first.
REASONS = (
    *("label", "leak", "late", "duplicate", "irrelevant", "constant", "missing", "identifier", "type"),
    *("deprecated", "unreadable"),
)


@dataclass(frozen=True)
class Step:
    """Progress of a selection, passed to the callback when a phase begins, and once at the end.

    Parameters
    ----------
    phase : {"label", "sample", "relevance", "redundancy", "done"}
        The phase that begins.
    step, steps : int
        Number of finished phases, and of all phases.
    """

    phase: str
    step: int
    steps: int


@dataclass(frozen=True)
class Label:
    """The label of a selection.

    Parameters
    ----------
    column : str
        Of the basis.
    task : {"classification", "regression"}
        Whether its values are classes, or numbers in quantile bins.
    bins : int
        Number of classes or bins that have rows.
    entropy : float
        In bits: the most that a feature can explain.
    nulls : int
        Rows without label, which are not counted.
    """

    column: str
    task: str
    bins: int
    entropy: float
    nulls: int


@dataclass(frozen=True)
class Ranked:
    """A feature with information about the label.

    Parameters
    ----------
    rank : int
        From 1.
    feature : str
        Its expression.
    selected : bool
        Whether it is among the requested number of features.
    relevance : float
        Bits of mutual information with the label, corrected for the size of the data.
    share : float
        Relevance as a share of the label's entropy.
    redundancy : float
        Mean bits of mutual information with the features selected before it.
    score : float
        The number that it was ranked by.
    nulls : float
        Share of rows without value.
    distinct : int
        Number of distinct values; among more rows than a sample has, those in the sample.
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
        The reason in a sentence.
    """

    feature: str
    reason: str
    why: str


@dataclass(frozen=True)
class SelectionRecord:
    """Features ranked by their information about a label.

    Parameters
    ----------
    label : Label
        The label.
    rows : int
        Rows with a label.
    sampled : int
        Rows of the sample in which bins were fitted and leaks detected.
    method : {"mrmr", "relevance"}
        The ranking method.
    ranked : tuple of Ranked
        The best first.
    left_out : tuple of LeftOut
        Features that were not ranked, by reason and name.
    notes : tuple of str
        Remarks for readers.
    versions : mapping of str to int
        Feature group to the table version that was read.
    passes : int
        Number of passes over the binned rows.
    seconds : dict of str to float
        Duration of each phase.
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
        return [feature.feature for feature in self.ranked if feature.selected]

    @property
    def columns(self) -> dict[str, str]:
        """The selected features by column, as ``training_set`` accepts them, without the columns of the basis.

        A column is named like its feature; if several would be, the names include the group and the join key.

        Examples
        --------
        >>> origin = Ranked(1, "airport:weather:wind:origin", True, 0.8, 0.24, 0.0, 0.8, 0.01, 40)
        >>> dest = Ranked(2, "airport:weather:wind:dest", True, 0.8, 0.24, 0.0, 0.8, 0.01, 40)
        >>> SelectionRecord(Label("late", "classification", 2, 0.9, 0), 9, 9, "mrmr", (origin, dest), ()).columns
        {'weather_wind_origin': 'airport:weather:wind:origin', 'weather_wind_dest': 'airport:weather:wind:dest'}
        """
        names = [name for name in self.features if not name.startswith("basis:")]
        short = [name.split(":")[2].lower() for name in names]
        return {
            parts[2] if short.count(parts[2].lower()) == 1 else "_".join([*parts[1:3], *parts[3].split(",")]): name
            for name in names
            for parts in [name.split(":")]
        }

    def to_json(self) -> dict[str, Any]:
        """Return the record as JSON values."""
        seconds = {name: round(duration, 3) for name, duration in self.seconds.items()}
        return {"features": self.features, **asdict(self), "versions": dict(self.versions), "seconds": seconds}
