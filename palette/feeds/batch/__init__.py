"""Feeds of batch sources: plan, compute and write the missing intervals of a group."""
