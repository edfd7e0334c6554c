"""The expression language of features: one definition, for Spark columns and for single rows."""
