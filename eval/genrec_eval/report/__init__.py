"""The report of a run, and the comparison of several: self-contained HTML pages."""

from genrec_eval.report.comparison_page import write_comparison
from genrec_eval.report.page import write_report

__all__ = ["write_comparison", "write_report"]
