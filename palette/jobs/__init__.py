"""What ``spark-submit`` runs: feature pipelines, training sets, batch scoring."""
