from pathlib import Path
def write_report(directory, comparison): return directory / "report.html"
