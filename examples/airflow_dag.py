"""Features at night, scores after them: put this file into Airflow's folder of DAGs.

Needs apache-airflow and its provider for Spark there; ``palette jobs package`` writes what the tasks submit.
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
    # A run that is repeated gives the same tables.
    default_args={"retries": 3, "retry_delay": timedelta(minutes=5)},
):
    score = SparkSubmitOperator(
        task_id="score",
        # Written anew, as one commit: a run that is tried again finds what the first try left.
        application_args=[
            "score", f"{HOME}/models/eta", f"{HOME}/orders.parquet", f"{HOME}/scores/{{{{ ds }}}}",
            "--mode", "overwrite",
        ],
        **SUBMIT,
    )  # fmt: skip
    for group in GROUPS:
        materialize = SparkSubmitOperator(
            task_id=f"materialize_{group.replace(':', '_')}",
            # Up to the moment the run was due, here 03:15 UTC: the same however late the task runs.
            application_args=[
                "materialize", group, "--to", "{{ data_interval_end }}", "--config", f"{HOME}/palette.yaml",
            ],
            **SUBMIT,
        )  # fmt: skip
        materialize >> score
