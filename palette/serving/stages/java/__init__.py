"""What Java does differently from Python: regular expressions, floats as strings, lower case."""
