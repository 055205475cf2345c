# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""A scene and its rendering, frame by frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Iterator

import cv2
import numpy as np

from .appearance import Appearance
from .canvas import Canvas
from .difficulty import Difficulty
from .occluders import Occluder
from .render import Figure, Track, behind_own_torso
from .skeleton import PENN_JOINTS, Body

NUM_JOINTS = len(PENN_JOINTS)
# Why a joint is not visible.
VISIBLE, BY_OCCLUDER, BY_PERSON, BY_ITSELF, OUTSIDE = range(5)
REASONS = ('visible', 'occluder', 'person', 'itself', 'outside')
# Share of a frame's time during which the shutter is open, and the moments
# inside it at which limbs are known (see Track).
SHUTTER = 0.5
MOMENTS = SHUTTER * np.array([-0.5, -0.25, 0.0, 0.25, 0.5])
_OCCLUDER_ID = 128


@dataclass
class Actor:
    """Somebody in a scene."""

    body: Body
    appearance: Appearance
    track: Track
    identity_id: str
    motion_id: str
    action: str
    pose: str


@dataclass
class Scene:
    """All that a video shows.

    Attributes:
        size (tuple): Width and height in pixels.
        actors (list): ``Actor``, the farthest first.
        occluders (list): ``Occluder``, in front of everybody.
        difficulty (Difficulty): Camera knobs.
        paint_backdrop (callable): Makes the background, BGR uint8, larger than
            the picture; the same one every time.
        backdrop_id (str): For the manifest.
        offsets (np.ndarray): frames x 2, place of the picture's corner in the
            backdrop, pixels.
        gains (np.ndarray): Brightness of each frame.
        grain (np.ndarray): Noise tile, larger than the picture, float32.
        grain_corners (np.ndarray): frames x 2, where the tile is cut.
    """

    size: tuple[int, int]
    actors: list[Actor]
    occluders: list[Occluder]
    difficulty: Difficulty
    paint_backdrop: Callable[[], np.ndarray]
    backdrop_id: str
    offsets: np.ndarray
    gains: np.ndarray
    grain: np.ndarray
    grain_corners: np.ndarray

    @property
    def num_frames(self) -> int:
        """Length of the video."""
        return len(self.offsets)

    def frames(
        self, draw: bool = True
    ) -> Iterator[tuple[np.ndarray | None, list[dict]]]:
        """Render the video.

        Args:
            draw (bool): False makes the truth only, several times faster.

        Yields:
            tuple: H x W x 3 BGR uint8 picture (None without ``draw``) and one
            dict per actor, in the order of ``actors``: ``keypoints`` (13 x 2,
            0-based pixels), ``hidden_by`` (13 uint8, index into ``REASONS``),
            ``visible`` (13 uint8), ``points`` (len(POINTS) x 3, pixels and
            depth in pixels), ``stature`` (pixels), ``mask`` (H x W bool,
            pixels where the actor is seen).
        """
        figures = [
            Figure(actor.track, actor.body, actor.appearance)
            for actor in self.actors
        ]
        backdrop = self.paint_backdrop() if draw else None
        for frame in range(self.num_frames):
            canvas = Canvas(
                self.size,
                self._cut_backdrop(backdrop, frame) if draw else None,
            )
            for index, figure in enumerate(figures):
                figure.draw(canvas, frame, index + 1)
            for occluder in self.occluders:
                occluder.draw(canvas, frame, MOMENTS, _OCCLUDER_ID)
            picture = self._expose(canvas.image, frame) if draw else None
            yield picture, self._truth(canvas.owner, frame)

    def _cut_backdrop(self, backdrop: np.ndarray, frame: int) -> np.ndarray:
        x, y = self.offsets[frame]
        shift = np.array([[1.0, 0.0, -x], [0.0, 1.0, -y]])
        picture = cv2.warpAffine(
            backdrop, shift, self.size, borderMode=cv2.BORDER_REFLECT
        )
        return picture.astype(np.float32)

    def _expose(self, picture: np.ndarray, frame: int) -> np.ndarray:
        """Brightness and noise of the camera."""
        width, height = self.size
        x, y = self.grain_corners[frame]
        picture = picture * np.float32(self.gains[frame])
        picture += self.grain[y : y + height, x : x + width, None]
        return np.clip(picture, 0, 255).astype(np.uint8)

    def _truth(self, owner: np.ndarray, frame: int) -> list[dict]:
        truths = []
        width, height = self.size
        middle = len(MOMENTS) // 2
        for index, actor in enumerate(self.actors):
            points = actor.track.points[frame, middle]
            stature = float(actor.track.stature[frame])
            joints = points[:NUM_JOINTS, :2]
            hidden_by = np.full(NUM_JOINTS, VISIBLE, np.uint8)
            inside = (joints >= 0) & (joints <= (width - 1, height - 1))
            inside = inside.all(axis=1)
            hidden = behind_own_torso(points, actor.body, stature)
            hidden_by[hidden[:NUM_JOINTS]] = BY_ITSELF
            pixels = np.rint(np.where(inside[:, None], joints, 0)).astype(int)
            over = owner[pixels[:, 1], pixels[:, 0]]
            # A thin limb may miss its own rounded pixel: background there
            # hides nothing, and neither does somebody farther away.
            nearer = (over > index + 1) & (over < _OCCLUDER_ID)
            hidden_by[nearer] = BY_PERSON
            hidden_by[over >= _OCCLUDER_ID] = BY_OCCLUDER
            hidden_by[~inside] = OUTSIDE
            truths.append(
                dict(
                    keypoints=joints.copy(),
                    hidden_by=hidden_by,
                    visible=(hidden_by == VISIBLE).astype(np.uint8),
                    points=points.copy(),
                    stature=stature,
                    mask=owner == index + 1,
                )
            )
        return truths
