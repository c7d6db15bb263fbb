"""The machine: its processors, memory, files and BLAS; forks, warnings, and what pip calls this project."""
