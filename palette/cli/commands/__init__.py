"""The commands of palette, one module for each group of commands."""
