"""The choice of a pose method by the settings: loading it, and naming it in the record of scores."""

from importlib.util import find_spec
from typing import Literal

from scoring.head.five_points import FivePoints
from scoring.head.pose import PoseOpener
from scoring.settings import Settings
from scoring.weights import MESH, Weight, WeightsError, given, load, state

NO_MEDIAPIPE = (
    "Head pose from the face mesh needs mediapipe: pip install 'clipjury[pose]'. It brings another build of OpenCV, "
    "opencv-contrib-python, which collides with the headless one (both are `cv2`); put that back afterwards: "
    "pip uninstall opencv-contrib-python; pip install --force-reinstall --no-deps opencv-python-headless. "
    "Or score with the pose from five points, which needs nothing more."
)


def pose_opener(settings: Settings) -> PoseOpener:
    """What opens the settings' pose method for a clip, loaded. Raises WeightsError without its model file."""
    if settings.pose == "points":
        return FivePoints
    from scoring.head.mesh import FaceMesh  # mediapipe is an extra

    model = load(_mesh(settings))
    return lambda: FaceMesh(model)


def pose_backend(settings: Settings) -> tuple[str, tuple[Weight, ...]]:
    """The name of the settings' pose method in the record of scores, and its model files.

    Raises WeightsError if the method needs mediapipe and it is not installed.
    """
    if settings.pose == "points":
        return "five-point pose", ()
    if find_spec("mediapipe") is None:
        raise WeightsError(NO_MEDIAPIPE)
    return "face mesh pose", (_mesh(settings),)


def best_pose() -> Literal["points", "mesh"]:
    """The better pose method of those that this machine can run."""
    return "mesh" if find_spec("mediapipe") and state(MESH) == "right" else "points"


def _mesh(settings: Settings) -> Weight:
    return given(MESH, settings.weight("mesh"))
