"""CSV and JSON files: read strictly, written without loss."""

from palette.offline.files.csv_files import CSV_OPTIONS, read_csv, writable_csv
from palette.offline.files.json_files import JSON_OPTIONS, read_json

__all__ = ["CSV_OPTIONS", "JSON_OPTIONS", "read_csv", "read_json", "writable_csv"]
