"""`pse-repro doctor`: what this machine can and cannot do, and what to do about it.

facts.py reads (nvidia.py, system.py, images.py), checks.py and gpu_checks.py judge by needs.py, diagnosis.py sums up,
page.py and bug_report.py tell.
"""

from pse_repro.doctor.bug_report import bug_report
from pse_repro.doctor.diagnosis import Diagnosis, examine
from pse_repro.doctor.page import render

__all__ = ["Diagnosis", "bug_report", "examine", "render"]
