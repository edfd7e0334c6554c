"""Lists of words: checks, StopWordsRemover, NGram."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from palette.errors import DataError
from palette.serving.stages.base import BundledStage
from palette.serving.stages.java.lowercase import lower
from palette.serving.stages.registry import register
from palette.serving.stages.sources import COLUMNS, FittedStage, Param, Source

__all__ = ["NGram", "StopWordsRemover", "TextStage", "words"]


def words(kind: str, column: str, value: Any) -> list[str | None]:
    """Return a list of strings, checked.

    Raises
    ------
    DataError
        If it is missing, or not a list of strings.
    """
    if value is None:
        raise DataError(f"{kind}: {column} is null; fill it with an empty list")
    if value.__class__ is not list or not all(word is None or word.__class__ is str for word in value):
        raise DataError(f"{kind}: {column} is {value!r:.80}, expected a list of strings; cast it to array<string>")
    return value


@dataclass(frozen=True)
class TextStage(BundledStage):
    """A stage that makes lists of strings."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    source = COLUMNS

    @property
    def output_types(self) -> tuple[str, ...]:
        """Lists of strings."""
        return ("array<string>",) * len(self.outputs)

    def text(self, value: Any) -> str:
        """Return a string, checked."""
        if value.__class__ is not str:
            what = "null; fill it with an empty string" if value is None else f"{value!r:.80}, expected a string"
            raise DataError(f"{self.kind}: {self.inputs[0]} is {what}")
        return str(value)


def _locale(stage: FittedStage) -> str:
    # Lower case of Lithuanian keeps dots by rules of its own.
    if stage.params["locale"] == "lt" and not stage.params["caseSensitive"]:
        raise DataError("StopWordsRemover: locale 'lt' has no local form; set caseSensitive, or locale 'en'")
    return str(stage.params["locale"])


@register
@dataclass(frozen=True)
class StopWordsRemover(TextStage):
    """The local form of ``pyspark.ml.feature.StopWordsRemover``.

    Parameters
    ----------
    inputs, outputs : tuple of str
        Lists of words, the lists of those that stay.
    stop_words : list of str
        What is removed.
    case_sensitive : bool
        Whether capital letters count.
    locale : str
        The locale of lower case.
    """

    stop_words: list[str | None]
    case_sensitive: bool
    locale: str

    kind = "StopWordsRemover"
    spark_class = "org.apache.spark.ml.feature.StopWordsRemover"
    source = Source(
        COLUMNS,
        stop_words=Param("stopWords", list),
        case_sensitive=Param("caseSensitive"),
        locale=_locale,
    )

    def _compared(self, word: str | None) -> str | None:
        return word if word is None or self.case_sensitive else lower(word, self.locale)

    @cached_property
    def _removed(self) -> frozenset[str | None]:
        return frozenset(self._compared(word) for word in self.stop_words)

    def compute(self, *values: Any) -> tuple[Any, ...]:
        """Return the words that are kept; nulls are kept."""
        removed, compared = self._removed, self._compared
        return tuple(
            [word for word in words(self.kind, column, value) if compared(word) not in removed]
            for column, value in zip(self.inputs, values, strict=True)
        )


@register
@dataclass(frozen=True)
class NGram(TextStage):
    """The local form of ``pyspark.ml.feature.NGram``.

    Parameters
    ----------
    inputs, outputs : tuple of str
        The words, the n-grams.
    n : int
        How many words make one.
    """

    n: int

    kind = "NGram"
    spark_class = "org.apache.spark.ml.feature.NGram"
    source = Source(COLUMNS, n=Param("n"))

    def compute(self, *values: Any) -> tuple[Any, ...]:
        """Return the n-grams, words joined by a space; of fewer words there are none."""
        spelled = ["null" if word is None else word for word in words(self.kind, self.inputs[0], values[0])]
        return ([" ".join(spelled[at : at + self.n]) for at in range(len(spelled) - self.n + 1)],)
