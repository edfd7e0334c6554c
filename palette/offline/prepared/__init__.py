"""Histories sorted once per table version, into files that workers map and search.

Workers need pyarrow and NumPy, but not this package: the modules that run there are pickled by value. They import
nothing else of it.
"""

from __future__ import annotations

from pyspark.cloudpickle.cloudpickle import register_pickle_by_value

from palette.offline import objects
from palette.offline.prepared import (
    arrays,
    folders,
    hashes,
    in_tasks,
    parquet_files,
    run_files,
    search,
    split,
    ties,
)

__all__: list[str] = []

for module in (objects, arrays, folders, hashes, in_tasks, parquet_files, run_files, search, split, ties):
    register_pickle_by_value(module)
