"""Feed runs in the catalog: locks, runs and state."""
