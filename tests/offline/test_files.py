"""CSV and JSON files: torn ones are errors with file and line, what we write comes back, types keep values."""

from __future__ import annotations

import csv
import datetime as dt
import math

import pyarrow as pa
import pytest

from palette.errors import DataError
from palette.offline.files.dataframes import read_frame, write_frame
from palette.offline.files.kinds import INFERRED, suits
from palette.offline.files.scan import count_csv, count_json, count_local

HEADER = "id,note\n"
TEXTS = [
    ('q"x', "a,b"), ("two\nlines", "cr\rlf"), ("\r\n", None), ("", " padded "), (None, "\\"), ('\\"', '"'),
    ("#c", "\t"), ("é", "\0z"), (None, None), ("", ""), ("007", "NaN"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(HEADER + "1,2\n1,2,3\n", "line 3: 3 fields, and the header has 2", id="more-fields"),
        pytest.param(HEADER + '1,"a\nb"\n1\n', "line 4: 1 fields", id="fewer-fields"),
        pytest.param(HEADER + '1,2\n3,"a\n4,5\n', "line 3: not CSV, .* unexpected end", id="open-quote"),
        pytest.param(HEADER + '1,"a"b\n', "line 2: not CSV", id="after-quote"),
        pytest.param(HEADER.encode() + b"1,2\n1,\xff\n", "line 3: not UTF-8", id="latin"),
    ],
)
def test_torn_csv_is_an_error_with_its_line(tmp_path, text, message):
    file = tmp_path / "x.csv"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DataError, match=rf"x\.csv: {message}"):
        count_csv(file)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param('{"a": 1}\n{"a":\n', "line 2: not a JSON object on one line", id="cut-off"),
        pytest.param('{"a": 1}\n\n[2]\n', r"line 3: expected a JSON object, found \[2\]", id="no-object"),
        pytest.param('{"a": 1}{"a": 2}\n', "line 1: .*Extra data", id="two-a-line"),
        pytest.param('{\n"a": 1}\n', "line 1: not a JSON object", id="spread"),
        pytest.param('[{"a": 1},\n{"a": 2}\n', "line 2: the JSON array is cut off", id="open-array"),
        pytest.param('[{"a": 1}\n{"a": 2}]', "line 2: .*expected ',' or ']'", id="no-comma"),
        pytest.param('[{"a": 1},\n2]', "line 2: .*expected an object, found '2]'", id="number-in-array"),
        pytest.param('[{"a": 1},]', "line 1: not a JSON array", id="trailing-comma"),
        pytest.param('[{"a": 1}]\n[{"a": 2}]', ".* follows the JSON array", id="two-arrays"),
        pytest.param('{"a":' * 100_000, "line 1: not a JSON object", id="deep"),
        pytest.param(b'{"a": 1}\n{"a": "\xff"}', "line 2: not UTF-8", id="latin"),
    ],
)
def test_torn_json_is_an_error_with_its_line(tmp_path, text, message):
    file = tmp_path / "x.json"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DataError, match=rf"x\.json: {message}"):
        count_json(file)


@pytest.mark.parametrize(
    ("count", "text", "rows"),
    [
        *((count_json, '[{"a": 1},\n{"a": 2}]\n', 2), (count_json, "[ ]", 0), (count_json, "\n\n", 0)),
        *((count_json, '\ufeff[\n{"a": "]"}\n]', 1), (count_json, '\ufeff{"a": 1}\n{"a": 2}', 2)),
        *((count_csv, HEADER + '1,"a\r\nb"\n\n2,"x""y"', 2), (count_csv, HEADER, 0), (count_csv, "", 0)),
        *((count_csv, "\ufeffid\r\n1\r\n", 1), (count_csv, f"id\n{'x' * 200_000}\n", 1)),
    ],
)
def test_whole_files_are_counted(tmp_path, count, text, rows):
    (tmp_path / "part-0").write_bytes(text.encode())
    (tmp_path / "_SUCCESS").write_bytes(b"\xff")
    assert count_local(f"file://{tmp_path}", count) == rows
    assert count_local("s3a://bucket/x", count) is None


@pytest.mark.parametrize(
    ("dtype", "good", "bad"),
    [
        ("int", ["1", "-2147483648", "+5", "007"], ["2147483648", "x", "1.0", " 1", "1_0"]),
        ("bigint", ["9223372036854775807"], ["9223372036854775808", "9" * 5000]),
        ("double", ["1", "1e5", ".5", "NaN", "-Infinity"], ["1d", "-", "0x1"]),
        ("decimal(5,2)", ["1.5"], ["NaN"]),
        ("boolean", ["true", "FALSE"], ["t", "yes"]),
        ("date", ["2026-02-28"], ["2026-02-30", "2026-2-1", "2026-02-28 10:00"]),
        ("timestamp", ["2026-01-01", "2026-01-01 10:00", "2026-01-01T10:00:00+01:00", "2026-01-01T10:00:00.123456000Z"],
         ["2026-01-01 25:00:00", "2026-01-01T10:00:00.123456789", "10:00"]),
        ("timestamp_ntz", ["2026-01-01T10:00:00"], ["2026-01-01T10:00:00Z"]),
    ],
)  # fmt: skip
def test_what_a_string_is(dtype, good, bad):
    assert suits(pa.array([*good, *bad]), dtype).to_pylist() == [True] * len(good) + [False] * len(bad)


@pytest.mark.parametrize(
    ("texts", "dtype"),
    [
        *((["0", "-12"], "bigint"), (["007"], None), (["+1"], None), (["-0"], None), (["9223372036854775808"], None)),
        *((["1.5", "2"], "double"), (["1e-05", "1.0E10", "NaN"], "double"), (["12e4"], None), (["00.5"], None)),
        *((["1.5", "1234567890123456789"], None), (["true", "False"], "boolean"), (["2026-01-01"], "date")),
        *((["2026-01-01", "2026-01-01T10:00:00Z"], "timestamp"), (["2026-01-01T10:00:00.1234567"], None)),
    ],
)
def test_what_is_inferred_loses_nothing(texts, dtype):
    found = [kind for kind in INFERRED if all(suits(pa.array(texts), kind, plain=True).to_pylist())]
    assert (found[0] if found else None) == dtype


@pytest.mark.spark
def test_csv_comes_back(spark, tmp_path):
    target = str(tmp_path / "texts.csv")
    assert write_frame(spark.createDataFrame(TEXTS, "a string, b string").coalesce(1), target) == len(TEXTS)
    (part,) = (tmp_path / "texts.csv").glob("part-*")
    with part.open(newline="", encoding="utf-8") as lines:
        assert [tuple(row) for row in csv.reader(lines)] == [("a", "b"), *((a or "", b or "") for a, b in TEXTS)]
    assert [tuple(row) for row in read_frame(spark, target, types={"a": "string"}).collect()] == TEXTS
    # A record of one field that is nothing would be a blank line.
    assert write_frame(spark.createDataFrame([(1.5,), (None,)], "x double"), str(tmp_path / "one.csv")) == 2
    found = read_frame(spark, str(tmp_path / "one.csv"))
    assert sorted(found.collect(), key=str) == [(1.5,), (None,)]


@pytest.mark.spark
def test_values_come_back(spark, tmp_path, monkeypatch):
    at = dt.datetime(2026, 3, 1, 12, 0, 0, 123456)
    rows = [(at, dt.date(1, 1, 1), 0.1, math.inf, 2**62 + 1, True), (None, None, None, None, None, None)]
    frame = spark.createDataFrame(rows, "at timestamp, day date, x double, y double, n bigint, yes boolean")
    spark.conf.set("spark.sql.session.timeZone", "America/New_York")
    try:
        for name in ("values.csv", "values.jsonl"):
            write_frame(frame, str(tmp_path / name))
            found = read_frame(spark, str(tmp_path / name), likely=dict(frame.dtypes))
            # Of JSON Spark sorts the columns.
            assert dict(found.dtypes) == dict(frame.dtypes)
            back = found.select(*frame.columns).collect()
            assert sorted(back, key=str, reverse=True) == sorted(frame.collect(), key=str, reverse=True)
        (tmp_path / "naive.csv").write_text("at\n2026-03-01 12:00\n")
        naive = read_frame(spark, str(tmp_path / "naive.csv")).selectExpr("unix_seconds(at)").first()
        assert naive[0] == dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC).timestamp()
    finally:
        spark.conf.set("spark.sql.session.timeZone", "UTC")


@pytest.mark.spark
def test_types_are_those_of_the_definitions(spark, tmp_path):
    (tmp_path / "x.csv").write_text('R_ID,seat,note,size\n1001,"",2026-01-01 10:00,""\n007,2,"",1.5\n')
    found = read_frame(spark, str(tmp_path / "x.csv"), types={"r_id": "string", "seat": "int"})
    assert found.dtypes == [("R_ID", "string"), ("seat", "int"), ("note", "timestamp"), ("size", "double")]
    assert [row[:2] for row in found.collect()] == [("1001", None), ("007", 2)]
    with pytest.raises(DataError, match=r"x\.csv: column 'R_ID': '007' .*\(1 such value\)|'R_ID'"):
        read_frame(spark, str(tmp_path / "x.csv"), types={"r_id": "boolean"})
    assert read_frame(spark, str(tmp_path / "x.csv"), likely={"r_id": "boolean"}).dtypes[0] == ("R_ID", "string")
    (tmp_path / "x.json").write_text('[{"r_id": 7, "at": "2026-01-01", "size": 1},\n {"r_id": "007", "at": null}]')
    found = read_frame(
        spark, str(tmp_path / "x.json"), types={"r_id": "string", "at": "timestamp"}, likely={"size": "double"}
    )
    assert dict(found.dtypes) == {"r_id": "string", "at": "timestamp", "size": "double"}
    assert sorted(row.r_id for row in found.collect()) == ["007", "7"]
    with pytest.raises(DataError, match=r"x\.json: column 'r_id': '7' is not of type date \(2 such values\)|'007'"):
        read_frame(spark, str(tmp_path / "x.json"), types={"r_id": "date"})


@pytest.mark.spark
@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("x.csv", "a,A\n1,2\n", "the header has a duplicate column 'a'"),
        ("x.csv", "a,\n1,2\n", "a column without a name"),
        ("x.csv", "", "no header"),
        # As of files elsewhere, that only Spark reads.
        ("csv:*", "a,b\n1,2,3\n", "Malformed CSV record: 1,2,3"),
        ("csv:*", 'a,b\n1,"2\n3,4\n', "a quote is not closed"),
        ("json:*", '{"a": 1}\n{"a":\n', "Malformed records"),
        ("json:*", '"a"\n', "expected one JSON object a line, or an array"),
    ],
)
def test_what_spark_sees(spark, tmp_path, name, text, message):
    (tmp_path / "x.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        read_frame(spark, f"{name[:-1]}{tmp_path}/*" if name.endswith("*") else str(tmp_path / name))


@pytest.mark.spark
def test_files_of_two_kinds_are_refused(spark, tmp_path):
    (tmp_path / "a.json").write_text('[{"a": 1}]')
    (tmp_path / "b.json").write_text('{"a": 2}')
    with pytest.raises(DataError, match=r"a\.json is an array, and .*b\.json has an object a line"):
        read_frame(spark, f"json:{tmp_path}")
    (tmp_path / "b.json").write_text('[{"a": 2},\n{"a": 3}]')
    assert sorted(row.a for row in read_frame(spark, f"json:{tmp_path}").collect()) == [1, 2, 3]
    for name, text in (("a.csv", "a,b\n1,2\n"), ("b.csv", "b,a\n1,2\n")):
        (tmp_path / "csv").mkdir(exist_ok=True)
        (tmp_path / "csv" / name).write_text(text)
    with pytest.raises(DataError, match="header"):
        read_frame(spark, f"csv:{tmp_path}/csv")
