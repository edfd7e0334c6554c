"""Tree models: Spark's and xgboost's."""
