"""Lists of cameras as spreadsheets write them: CSV in its several forms."""

from vigia.infrastructure.csv_list.table import CsvProblem, CsvRow, CsvTable, parse_csv, read_csv

__all__ = ["CsvProblem", "CsvRow", "CsvTable", "parse_csv", "read_csv"]
