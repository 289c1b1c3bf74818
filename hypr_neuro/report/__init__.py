"""The report of a run: one self-contained HTML page, and the same numbers as JSON beside it."""

from hypr_neuro.report.page import render_page, write_report

__all__ = ["render_page", "write_report"]
