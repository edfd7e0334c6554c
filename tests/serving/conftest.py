"""What is compared with Spark needs it; where there is no pyspark, golden bundles hold Spark's answers instead."""

from __future__ import annotations

from importlib.util import find_spec

collect_ignore = [] if find_spec("pyspark") else ["stages", "test_pipelines.py"]
