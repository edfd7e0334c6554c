"""The command lines of the README, the documentation and a new project's README: commands and options that exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command

from palette.cli.app import app
from palette.cli.sample_project import FILES

ROOT = Path(__file__).parents[2]
TEXTS = {path.name: path.read_text("utf-8") for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))}
TEXTS["README.md of a new project"] = FILES["README.md"]
FENCE = re.compile(r"^ *```(?:sh|bash|shell|console)\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
INNER = re.compile(r"\$\(([^()]*)\)")
STANDING_FOR_A_WORD = "WORD"
COMMAND = get_command(app)


def command_lines(text):
    """Return what a text types of the command, as lists of words, without what feeds on it or comes before it."""
    found = []
    for block in FENCE.findall(text):
        lines = block.replace("\\\n", " ").splitlines()
        lines += [inner for line in lines for inner in INNER.findall(line)]
        for line in lines:
            words = shlex.split(INNER.sub(STANDING_FOR_A_WORD, line.strip().removeprefix("$ ")), comments=True)
            found += _commands(words)
    return found


def _commands(words):
    commands = [[]]
    for word in words:
        if word in ("&&", "||", "|", ";", ">", "&"):
            commands.append([])
        else:
            commands[-1].append(word)
    return [command[1:] for command in commands if command[:1] == ["palette"]]


LINES = [(name, words) for name, text in TEXTS.items() for words in command_lines(text)]


def resolve(words):
    """Return the command that words name, and what is left of them."""
    command = COMMAND
    while words and hasattr(command, "commands") and not words[0].startswith("-"):
        name, *words = words
        command = command.commands[name]
    return command, words


def parse(words):
    """Parse words as the command does, and carry nothing out."""
    command, words = resolve(words)
    if hasattr(command, "commands"):
        check_options(command, words)
    else:
        # Asking for help ends the parsing.
        command.make_context(command.name, [word for word in words if word != "--help"])


def check_options(command, words):
    known = {option for parameter in command.params for option in (*parameter.opts, "--help")}
    assert [word for word in words if word.startswith("-") and word.partition("=")[0] not in known] == []


@pytest.mark.parametrize("name", TEXTS)
def test_commands_within_a_text_have_their_options(name):
    for words in re.findall(r"(?<!`)`palette ([^`]+)`(?!`)", TEXTS[name]):
        check_options(*resolve(words.split()))


@pytest.mark.parametrize(("name", "words"), LINES, ids=[f"{name}: {' '.join(words)[:50]}" for name, words in LINES])
def test_what_is_written_can_be_typed(name, words):
    parse(words)


def test_the_lines_are_found_and_a_wrong_one_is_told():
    assert {name for name, _ in LINES} >= {"README.md", "catalog.md", "models.md", "README.md of a new project"}
    text = "```sh\n$ cd x && palette promote eta \\\n  1 --stag shadow  # a comment\n```\n"
    (words,) = command_lines(text)
    assert words == ["promote", "eta", "1", "--stag", "shadow"]
    for wrong in (words, ["promotion", "eta", "1"], ["promote", "eta"], ["promote", "eta", "1", "2"], ["--versions"]):
        with pytest.raises(Exception, match=r"--stag|promotion|version|extra"):
            parse(wrong)
