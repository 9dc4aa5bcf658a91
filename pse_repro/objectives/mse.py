"""Mean squared error of the reconstruction: the study's baseline (slides "Research Idea")."""

from pse_repro.objectives.base import Setup
from pse_repro.objectives.shared.reconstruction import StudyReconstruction, squared_error


class MSE(StudyReconstruction):
    """mean((reconstruction - images)^2)."""

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup, squared_error)
