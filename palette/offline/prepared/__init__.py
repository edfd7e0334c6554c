"""Prepared histories: the rows of a table version in files of sorted arrays, which a join searches."""
