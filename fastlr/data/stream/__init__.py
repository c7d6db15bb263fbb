"""Data in blocks of rows that are read in every pass: files, tables and Python's iterables."""
