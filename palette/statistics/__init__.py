"""Statistics of columns: profiles, bins and information. No store."""
