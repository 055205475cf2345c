# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Settings of a synthetic data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from .difficulty import Difficulty, get_difficulty


def check_positive(**counts: int | None) -> None:
    """Refuse a number below 1; None is a default.

    Raises:
        ValueError: A number is below 1; the message has its name.
    """
    for name, value in counts.items():
        if value is not None and value < 1:
            raise ValueError(f'{name} must be at least 1, got {value}')


def check_seed(seed: int) -> None:
    """Refuse a negative seed.

    Raises:
        ValueError: The seed is negative.
    """
    if seed < 0:
        raise ValueError(f'seed must not be negative, got {seed}')


def checked_size(image_size: Sequence[float]) -> tuple[int, int]:
    """Width and height of a picture in whole pixels.

    Raises:
        ValueError: Not two numbers, or one below 32.
    """
    if len(image_size) != 2 or min(image_size) < 32:
        raise ValueError(
            'image_size must be a width and a height of at least 32 pixels, '
            f'got {tuple(image_size)}'
        )
    return int(image_size[0]), int(image_size[1])


@dataclass(frozen=True)
class GenerateConfig:
    """Settings of a data set.

    Attributes:
        num_train (int, optional): Train videos, >= 1. None: 400, or all that
            ``trajectories`` holds.
        num_test (int, optional): Test videos, >= 1. None: 100, or all.
        num_frames (int, optional): Frames a procedural video, 10 by default.
        num_test_frames (int, optional): Frames a procedural video of the test
            split; ``num_frames`` by default.
        max_frames (int, optional): Frames a video along real trajectories, at
            most; all by default.
        image_size (tuple): Width and height in pixels. Along trajectories the
            longer side counts, pictures keep their real shape.
        seed (int): >= 0.
        difficulty (str | Difficulty): Preset or knobs.
        trajectories (str, optional): Folder of real label files.
        pictures (bool): False writes the labels only.
        occluder_people (float): Probability that somebody walks past between
            the camera and the person.
        speed (int): The motion is so many times as fast, 1 to 4; along
            trajectories every so many frames count.
    """

    num_train: int | None = None
    num_test: int | None = None
    num_frames: int | None = None
    num_test_frames: int | None = None
    max_frames: int | None = None
    image_size: tuple[int, int] = (192, 144)
    seed: int = 0
    difficulty: str | Difficulty = 'default'
    trajectories: str | None = None
    pictures: bool = True
    occluder_people: float = 0.0
    speed: int = 1

    def checked(self) -> GenerateConfig:
        """Copy with the defaults filled in.

        Raises:
            ValueError: A setting is out of range or does not fit the others.
        """
        check_positive(
            num_train=self.num_train,
            num_test=self.num_test,
            num_frames=self.num_frames,
            num_test_frames=self.num_test_frames,
            max_frames=self.max_frames,
        )
        check_seed(self.seed)
        if not 0 <= self.occluder_people <= 1:
            raise ValueError(
                'occluder_people must lie between 0 and 1, got '
                f'{self.occluder_people}'
            )
        if self.speed not in (1, 2, 3, 4):
            raise ValueError(f'speed must be 1, 2, 3 or 4, got {self.speed}')
        filled = replace(
            self,
            image_size=checked_size(self.image_size),
            difficulty=get_difficulty(self.difficulty),
        )
        if self.trajectories is not None:
            if self.num_frames or self.num_test_frames:
                raise ValueError(
                    'num_frames is for procedural videos, use max_frames '
                    'with trajectories'
                )
            return filled
        if self.max_frames is not None:
            raise ValueError(
                'max_frames is for trajectories, use num_frames for '
                'procedural videos'
            )
        return replace(
            filled,
            num_train=self.num_train or 400,
            num_test=self.num_test or 100,
            num_frames=self.num_frames or 10,
        )

    def frames_of(self, split: str) -> int:
        """Frames a procedural video of a split ('train' or 'test')."""
        if split == 'test' and self.num_test_frames is not None:
            return self.num_test_frames
        return self.num_frames
