"""The point-in-time join: its request, plans and workers."""
