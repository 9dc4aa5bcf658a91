"""`pse-repro doctor`: what this machine can run, and what to do about the rest.

facts.py (with machine/ and images.py) reads the machine, checks.py and gpu_checks.py compare the facts with needs.py,
diagnosis.py draws the conclusions, page.py and bug_report.py format them.
"""

from pse_repro.doctor.bug_report import bug_report
from pse_repro.doctor.diagnosis import Diagnosis, examine
from pse_repro.doctor.page import render

__all__ = ["Diagnosis", "bug_report", "examine", "render"]
