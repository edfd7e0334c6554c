"""The served log: its writer and its files."""
