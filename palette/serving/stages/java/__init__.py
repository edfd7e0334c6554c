"""Differences between Java and Python: regular expressions, floats as strings, lower case."""
