"""The two compilers of expressions: Spark columns and row functions."""
