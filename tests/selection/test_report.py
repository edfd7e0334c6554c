"""Reports: whole or not at all, and of any names."""

from __future__ import annotations

import json
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from palette.errors import ArgumentError, DataError
from palette.selection import Label, LeftOut, Ranked, Selection, report

HOSTILE = "<script>alert('x')</script>&\"|*_\n"


@pytest.fixture
def selection():
    ranked = (
        Ranked(1, "shop:history:prep:shop_id", True, 0.81, 0.25, 0.0, 0.81, 0.013, 4200),
        Ranked(2, "shop:history:kind:shop_id", True, 0.31, 0.1, 0.012, 0.298, 0.0, 6),
        Ranked(3, "basis:items", False, 0.01, 0.003, 0.02, -0.01, 0.0, 5),
    )
    left_out = (LeftOut("basis:seconds", "leak", "tells 99.9% of the label by itself"),)
    return Selection(Label("minutes", "regression", 10, 3.32, 60), 60_000, 50_000, "mrmr", ranked, left_out, ("Note",))


class Page(HTMLParser):
    """Reads a page; every tag has its end."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.text = [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.text.append(data)


def test_page(selection, tmp_path):
    selection.report(tmp_path / "report.html")
    written = (tmp_path / "report.html").read_text("utf-8")
    page = Page(written)
    shown = " ".join(page.text)
    for text in (
        "Features that predict minutes",
        "prep",
        "0.8100",
        "25.0%",
        "tells 99.9% of the label",
        "4,200",
        "Note.",
    ):
        assert text in shown
    assert "sample of 50,000 rows" in shown
    bars = [
        float(attributes["width"]) for tag, attributes in page.tags if tag == "rect" and attributes["class"] != "track"
    ]
    assert bars[0] == 240.0
    assert bars[2] == pytest.approx(240 * 0.31 / 0.81, abs=0.1)
    assert {"script", "link", "img", "iframe"}.isdisjoint(tag for tag, _ in page.tags)
    assert "http" not in written
    assert "prefers-color-scheme: dark" in written


def test_hostile_names_are_only_text(selection, tmp_path):
    ranked = tuple(replace(one, feature=HOSTILE) for one in selection.ranked)
    hostile = replace(
        selection,
        label=replace(selection.label, column=HOSTILE),
        ranked=ranked,
        left_out=(LeftOut(HOSTILE, HOSTILE, HOSTILE),),
        notes=(HOSTILE,),
    )
    hostile.report(tmp_path / "report.html")
    page = Page((tmp_path / "report.html").read_text("utf-8"))
    assert "script" not in [tag for tag, _ in page.tags]
    assert " ".join(page.text).count("<script>alert('x')</script>") == 9
    assert "<script" not in hostile._repr_html_()
    hostile.report(tmp_path / "report.md")
    lines = (tmp_path / "report.md").read_text("utf-8").splitlines()
    assert not [line for line in lines if "<script" in line.replace("\\<", "")]
    table = [line for line in lines if line.startswith("| ")]
    assert {line.replace("\\|", "").count("|") for line in table} == {9, 4}
    hostile.report(tmp_path / "report.json")
    assert json.loads((tmp_path / "report.json").read_text("utf-8"))["left_out"][0]["why"] == HOSTILE


def test_json_and_text(selection):
    told = json.loads(json.dumps(selection.to_json()))
    assert told["features"] == selection.features == ["shop:history:prep:shop_id", "shop:history:kind:shop_id"]
    assert told["ranked"][2] == {
        "rank": 3, "feature": "basis:items", "selected": False, "relevance": 0.01, "share": 0.003, "redundancy": 0.02,
        "score": -0.01, "nulls": 0.0, "distinct": 5,
    }  # fmt: skip
    lines = str(selection).splitlines()
    assert lines[0] == "Features that predict minutes"
    assert lines[1] == "60,000 rows, 60 more have no label; the label in 10 quantile bins has 3.320 bits."
    assert lines[-1] == "basis:seconds  leak: tells 99.9% of the label by itself"
    ranked = [line for line in lines if "shop:history" in line]
    assert ranked[0].split() == [
        "1",
        "shop:history:prep:shop_id",
        "0.8100",
        "25.0%",
        "0.0000",
        "0.8100",
        "1.3%",
        "4,200",
    ]


def test_nothing_ranked_and_nothing_left_out(selection, tmp_path):
    for other in (replace(selection, ranked=()), replace(selection, left_out=())):
        other.report(tmp_path / "report.html")
        Page((tmp_path / "report.html").read_text("utf-8"))
        assert str(other)
        assert other.features == [] or other.columns == {"prep": selection.features[0], "kind": selection.features[1]}


def test_a_file_is_there_whole_or_not_at_all(selection, tmp_path, monkeypatch):
    path = tmp_path / "report.json"
    selection.report(path)
    before = path.read_text()
    unwritable = replace(selection, notes=("\ud800",))
    with pytest.raises(UnicodeEncodeError):
        unwritable.report(path)
    assert path.read_text() == before
    assert [one.name for one in tmp_path.iterdir()] == ["report.json"]
    assert path.stat().st_mode & 0o777 == 0o644


def test_where_no_report_can_be(selection, tmp_path):
    with pytest.raises(ArgumentError, match=r"ends in \.html, \.md, \.json"):
        selection.report(tmp_path / "report.pdf")
    with pytest.raises(DataError, match="there is no directory"):
        selection.report(tmp_path / "nowhere" / "report.html")
    assert list(tmp_path.iterdir()) == []
    assert report.check_report(tmp_path / "REPORT.HTML").suffix == ".HTML"
