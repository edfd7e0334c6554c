"""Nightly features, then scores: copy this file into Airflow's folder of DAGs.

It needs apache-airflow and its Spark provider; ``palette jobs package`` writes the files that the tasks submit.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow import DAG
from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator

HOME = "/srv/features"
GROUPS = ["restaurant:order_history", "region:traffic"]
SUBMIT = {
    "application": f"{HOME}/jobs/palette_job.py",
    "py_files": f"{HOME}/jobs/palette.zip",
    "packages": "io.delta:delta-spark_4.2_2.13:4.4.0",
}

with DAG(
    "palette",
    schedule="15 3 * * *",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    # A repeated run produces the same tables.
    default_args={"retries": 3, "retry_delay": timedelta(minutes=5)},
):
    score = SparkSubmitOperator(
        task_id="score",
        # Overwritten in one commit: a retry may find rows of the first attempt.
        application_args=[
            "score", f"{HOME}/models/eta", f"{HOME}/orders.parquet", f"{HOME}/scores/{{{{ ds }}}}",
            "--mode", "overwrite",
        ],
        **SUBMIT,
    )  # fmt: skip
    for group in GROUPS:
        materialize = SparkSubmitOperator(
            task_id=f"materialize_{group.replace(':', '_')}",
            # Up to the time when the run was due, here 03:15 UTC: the same however late the task starts.
            application_args=[
                "materialize", group, "--to", "{{ data_interval_end }}", "--config", f"{HOME}/palette.yaml",
            ],
            **SUBMIT,
        )  # fmt: skip
        materialize >> score
