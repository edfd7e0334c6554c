"""Run by test_cluster: proofs on two executor processes, or over Spark Connect; tells of each in a line of JSON.

Workers find a package called palette that cannot be imported, so they prove that they do without it.
"""

from __future__ import annotations

import json
import sys
import traceback
from pathlib import Path
from typing import Any


def main(where: str, home: str, url: str) -> None:
    sys.path[0] = str(Path(__file__).parents[1])  # in this process alone: the workers have what the environment says
    from palette import spark_session
    from tests.dsl import on_cluster as dsl
    from tests.feeds import on_cluster as feeds
    from tests.jvm import OPTIONS
    from tests.offline import on_cluster as offline
    from tests.selection import on_cluster as selection

    hidden = Path(home, "hidden")
    for package in ("palette", "dsl"):
        (hidden / package).mkdir(parents=True)
        (hidden / package / "__init__.py").write_text("raise ImportError('not on the workers')\n")
    connect = where == "connect"
    spark = spark_session(
        **({"remote": "local[2]"} if connect else {"master": where}),
        **{
            "spark.executorEnv.PYTHONPATH": str(hidden),
            "spark.executor.extraJavaOptions": OPTIONS,
            "spark.sql.shuffle.partitions": "4",
            "spark.log.level": "ERROR",
        },
    )
    proofs = {
        "imports": lambda path: imported(spark),
        "join": lambda path: offline.prove(spark, path),
        "selection": lambda path: selection.prove(spark, path),
        "feeds": lambda path: feeds.prove(spark, path, url, connect),
    }
    proofs["models"] = lambda path: dsl.load(spark, Path(home, "saved"))
    if connect:
        proofs["functions"] = lambda path: dsl.agree(spark)
        proofs["saving"] = lambda path: dsl.save_here(spark, path)
    for name, prove in proofs.items():
        print(json.dumps({"proof": name, **told(prove, Path(home, name))}), flush=True)
    spark.stop()


def told(prove: Any, path: Path) -> dict[str, Any]:
    path.mkdir()
    try:
        return {"answer": prove(path)}
    except Exception:  # noqa: BLE001  told by the test of this proof, and the others go on
        return {"error": traceback.format_exc()}


def imported(spark: Any) -> list[str]:
    """Return what workers say who import the project."""
    from pyspark.sql import functions as F

    @F.udf("string")
    def said(name):
        import importlib

        try:
            return importlib.import_module(name).__file__
        except ImportError as error:
            return str(error)

    return list(spark.range(1).select(said(F.lit("palette")), said(F.lit("dsl"))).first())


if __name__ == "__main__":
    main(*sys.argv[1:])
