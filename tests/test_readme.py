"""The README's tour runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path

README = (Path(__file__).parent.parent / "README.md").read_text("utf-8")


def test_tour_runs(spark, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)
    printed = capsys.readouterr().out
    assert "lookup  r_id -> order_history.prep_time, order_history.n_meal" in printed
    assert names["scored"]["prep_time"] == 25.0
    assert names["scored"]["n_meal"] == 8.0
    expected = names["model"].transform(names["orders"].filter("r_id = 'r2'")).first()
    assert names["scored"]["prediction"] == expected["prediction"]
    assert "'prep_time': 18.0, 'n_meal': -1.0, 'size': 1.0" in printed
    assert names["pins"] == {"restaurant:order_history": 0}
