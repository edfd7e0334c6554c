"""Commands, one module for each group of commands."""
