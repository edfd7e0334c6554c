"""Definitions as YAML files."""
