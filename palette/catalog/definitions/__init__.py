"""Definitions in the catalog: comparing, writing, renaming and removing them."""
