"""Run by test_cluster: a selection on two executor processes, or over Spark Connect; prints it as JSON at the end.

Workers find a package called palette that cannot be imported, so they prove that they do without it.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from palette import spark_session
from tests.offline.selection.shops import shops


def main(where: str, root: Path) -> None:
    hidden = root / "hidden"
    for package in ("palette", "dsl"):
        (hidden / package).mkdir(parents=True)
        (hidden / package / "__init__.py").write_text("raise ImportError('not on the workers')\n")
    settings = {
        "spark.executorEnv.PYTHONPATH": str(hidden),
        "spark.sql.shuffle.partitions": "2",
        "spark.log.level": "ERROR",
    }
    spark = spark_session(**({"remote": "local[2]"} if where == "connect" else {"master": where}), **settings)
    world = shops(spark, root)
    told = world.store.select_features(world.orders, "minutes", ["*", "basis:late"], timestamp="at").to_json()
    print(json.dumps({name: value for name, value in told.items() if name != "seconds"}), flush=True)
    spark.stop()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        main(sys.argv[1], Path(folder))
