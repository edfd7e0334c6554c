"""Strings split into words: Tokenizer, RegexTokenizer."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from palette.serving.stages.java.lowercase import lower
from palette.serving.stages.java.regex import compiled, matches, split
from palette.serving.stages.registry import register
from palette.serving.stages.sources import COLUMNS, Param, Source
from palette.serving.stages.text.words import TextStage

__all__ = ["RegexTokenizer", "Tokenizer"]


SPACE = re.compile(r"\s", re.ASCII)


@register
@dataclass(frozen=True)
class Tokenizer(TextStage):
    """The local form of ``pyspark.ml.feature.Tokenizer``.

    Parameters
    ----------
    inputs, outputs : tuple of str
        The string, its words.
    """

    kind = "Tokenizer"
    spark_class = "org.apache.spark.ml.feature.Tokenizer"

    def compute(self, *values: Any) -> tuple[Any, ...]:
        """Return the words in lower case; two adjacent spaces give an empty word, except at the end."""
        return (split(SPACE, lower(self.text(values[0]))),)


def _supported_pattern(pattern: str) -> str:
    compiled(pattern)
    return pattern


@register
@dataclass(frozen=True)
class RegexTokenizer(TextStage):
    """The local form of ``pyspark.ml.feature.RegexTokenizer``.

    Parameters
    ----------
    inputs, outputs : tuple of str
        The string, its words.
    pattern : str
        A Java pattern; see :mod:`palette.serving.stages.java.regex`.
    gaps : bool
        Whether the pattern matches the gaps between words.
    shortest : int
        The minimum length of words, in UTF-16 code units.
    lowercase : bool
        Whether the text is converted to lower case first.
    """

    pattern: str
    gaps: bool
    shortest: int
    lowercase: bool

    kind = "RegexTokenizer"
    spark_class = "org.apache.spark.ml.feature.RegexTokenizer"
    source = Source(
        COLUMNS,
        pattern=Param("pattern", _supported_pattern),
        gaps=Param("gaps"),
        shortest=Param("minTokenLength"),
        lowercase=Param("toLowercase"),
    )

    @cached_property
    def _compiled(self) -> re.Pattern[str]:
        return compiled(self.pattern)

    def compute(self, *values: Any) -> tuple[Any, ...]:
        """Return the words that are long enough."""
        text = self.text(values[0])
        if self.lowercase:
            text = lower(text)
        parts = split(self._compiled, text) if self.gaps else matches(self._compiled, text)
        if self.shortest == 1:
            return ([word for word in parts if word],)
        return ([word for word in parts if len(word.encode("utf-16-le")) >= 2 * self.shortest],)
