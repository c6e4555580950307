"""The choice of a face detector by the settings: loading it, and naming it in the record of scores."""

from scoring.faces.centerface import CenterFace
from scoring.faces.face import SIDE, FaceFinder
from scoring.faces.yunet import YuNet
from scoring.settings import Settings
from scoring.weights import CENTERFACE, YUNET, Weight, given


def face_finder(settings: Settings) -> FaceFinder:
    """The face detector that the settings name, loaded. Raises WeightsError without its model file."""
    if settings.faces == "yunet":
        return YuNet().faces
    return CenterFace(_centerface(settings)).faces


def face_backend(settings: Settings) -> tuple[str, tuple[Weight, ...]]:
    """The name of the settings' face detector in the record of scores, and its model files."""
    if settings.faces == "yunet":
        return f"YuNet at {SIDE} px", (YUNET,)
    return f"CenterFace at {SIDE} px", (_centerface(settings),)


def _centerface(settings: Settings) -> Weight:
    return given(CENTERFACE, settings.weight("centerface"))
