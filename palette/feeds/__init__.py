"""Feeds: batch runs and windowed aggregates that fill the stores."""
