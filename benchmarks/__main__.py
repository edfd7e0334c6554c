"""``python -m benchmarks [--quick]``: every benchmark, and the table that the README holds."""

from __future__ import annotations

import argparse
import sys

import palette
from benchmarks import catalog, columns, feeds, join, scoring, service, serving, windows, writing
from benchmarks.table import print_table


def main() -> int:
    """Print the table; with ``--quick`` little data and few rounds, which tells that it runs and no more."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    spark = palette.spark_session(**{"spark.log.level": "ERROR"})
    results = [*scoring.run(spark, quick=quick), *columns.run(spark, quick=quick), *join.run(spark, quick=quick)]
    results += [*serving.run(spark, quick=quick), *service.run(quick=quick), *catalog.run(quick=quick)]
    results += [*feeds.run(spark, quick=quick), *windows.run(spark, quick=quick), *writing.run(spark, quick=quick)]
    print_table(results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
