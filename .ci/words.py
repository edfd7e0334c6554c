"""Words that the code does not use, in names, docstrings, comments and messages: `make lint` runs this.

The code speaks the plain technical English of its field. Each entry maps a word to its replacement. Names are split
at underscores and capitals; prose is every string and comment.
"""

from __future__ import annotations

import re
import sys
import tokenize
from pathlib import Path

ROOT = Path(__file__).parent.parent
NAMES = {
    "told": "the thing's name: message, report, lines",
    "found": "the thing's name: rows, group, result",
    "wanted": "expected, requested",
    "asked": "requested",
    "anew": "again",
    "moment": "timestamp, to_datetime",
    "moments": "timestamps",
    "taken": "accepted, written",
}
PROSE = {
    "told": "reported, returned, passed",
    "anew": "again",
    "nobody": "no one, none of",
    "moment": "timestamp, time",
    "moments": "timestamps, times",
    "stands twice": "is a duplicate",
}
SPLIT = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


def faults(file: Path) -> list[str]:
    """Return a line for each word of a file that is not used here."""
    lines = []
    with tokenize.open(file) as source:
        for token in tokenize.generate_tokens(source.readline):
            if token.type == tokenize.NAME:
                words, table = {part.lower() for part in SPLIT.findall(token.string.replace("NotFound", ""))}, NAMES
            elif token.type in (tokenize.STRING, tokenize.COMMENT):
                prose = " ".join(token.string.split())
                words, table = {word for word in PROSE if re.search(rf"\b(?i:{word[0]}){word[1:]}\b", prose)}, PROSE
            else:
                continue
            lines += [
                f"{file.relative_to(ROOT)}:{token.start[0]}: {word!r} in {token.string.strip()[:60]!r}: {table[word]}"
                for word in sorted(words & table.keys())
            ]
    return lines


def main() -> int:
    """Print all faults; return 1 if there are any."""
    files = [file for folder in ("palette", "dsl") for file in sorted((ROOT / folder).rglob("*.py"))]
    lines = [line for file in files for line in faults(file)]
    print("\n".join(lines) if lines else f"words: {len(files)} files")
    return bool(lines)


if __name__ == "__main__":
    sys.exit(main())
