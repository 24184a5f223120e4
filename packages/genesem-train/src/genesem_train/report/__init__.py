"""The result as pictures and one self-contained page."""

from genesem_train.report.figures import write_figures
from genesem_train.report.html import write_html
from genesem_train.report.inputs import ReportInput

__all__ = ["ReportInput", "write_figures", "write_html"]
