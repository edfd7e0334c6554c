"""The served log: its writer, its files and its reader."""
