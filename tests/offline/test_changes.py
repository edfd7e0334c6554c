"""Which files of a version hold what was written since another one, told from the log alone."""

from __future__ import annotations

import json

import pytest

from palette.offline.delta.log_reader import Unreadable, fresh_files


@pytest.fixture
def log(tmp_path):
    """Return a function that commits: names of files added, ``-`` before those removed."""
    (tmp_path / "_delta_log").mkdir()
    commits = iter(range(100))

    def commit(*files, moved=False):
        number = next(commits)
        actions = [{"commitInfo": {}}]
        for name in files:
            kind = "remove" if name.startswith("-") else "add"
            actions.append({kind: {"path": name.removeprefix("-"), "dataChange": not moved}})
        text = "".join(json.dumps(action) + "\n" for action in actions)
        (tmp_path / "_delta_log" / f"{number:020}.json").write_text(text)
        return number

    commit.table = str(tmp_path)
    return commit


def fresh(log, since, version):
    return [path.removeprefix(log.table + "/") for path in fresh_files(log.table, since, version)]


def test_files_of_later_commits(log):
    commits = [log("a"), log("b", "c"), log(), log("d")]
    assert [fresh(log, since, commits[-1]) for since in (-1, 0, 1, 2, 3)] == [
        ["a", "b", "c", "d"], ["b", "c", "d"], ["d"], ["d"], [],
    ]  # fmt: skip


def test_rewritten_files_take_the_place_of_old_ones(log):
    log("a", "b")
    log("c")
    log("-c", "-a", "ac")
    assert fresh(log, 0, 2) == ["ac"]
    assert fresh(log, 1, 2) == ["ac"]


def test_compaction_of_old_files_is_nothing_new(log):
    log("a", "b")
    log("-a", "-b", "ab", moved=True)
    log("c")
    assert fresh(log, 0, 2) == ["c"]


def test_compaction_that_holds_new_rows_is_new(log):
    log("a", "b")
    log("c")
    log("-a", "-b", "-c", "abc", moved=True)
    log("-abc", "again", moved=True)
    assert fresh(log, 0, 3) == ["again"]
    assert fresh(log, 1, 3) == []


def test_names_are_decoded(log):
    log("a")
    log("b%20%5B1%5D")
    assert fresh(log, 0, 1) == ["b [1]"]


def test_log_that_was_cleaned_cannot_tell(log, tmp_path):
    log("a")
    (tmp_path / "_delta_log" / f"{log('b'):020}.json").unlink()
    log("c")
    with pytest.raises(Unreadable, match="commit 1 is not in the log"):
        fresh(log, 0, 2)
    assert fresh(log, 1, 2) == ["c"]
