"""Windowed aggregates: partial aggregates of events and the windows built from them."""
