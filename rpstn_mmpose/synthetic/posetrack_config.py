# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Settings of a synthetic PoseTrack18 data set."""

from __future__ import annotations

from dataclasses import dataclass, replace

from .config import check_positive, check_seed, checked_size
from .difficulty import Difficulty, get_difficulty


@dataclass(frozen=True)
class PoseTrackConfig:
    """Settings of a data set.

    Attributes:
        num_train (int): Train sequences, >= 1.
        num_val (int): Validation sequences, >= 1.
        num_frames (int): Frames a sequence, >= 1.
        num_val_frames (int, optional): Frames a validation sequence;
            ``num_frames`` by default.
        people (tuple): Fewest and most labelled people of a sequence.
        label_every (int): Frames 0, n, 2n, ... are labelled.
        walkers (float): Probability that a person, but for the first, comes
            into the picture or leaves it.
        ignored (float): Probability that a sequence also shows somebody who
            is not labelled, but covered by ignore regions.
        image_size (tuple): Width and height in pixels.
        seed (int): >= 0.
        difficulty (str | Difficulty): Preset or knobs.
        pictures (bool): False writes the annotations only.
    """

    num_train: int = 60
    num_val: int = 20
    num_frames: int = 21
    num_val_frames: int | None = None
    people: tuple[int, int] = (1, 3)
    label_every: int = 4
    walkers: float = 0.4
    ignored: float = 0.25
    image_size: tuple[int, int] = (256, 144)
    seed: int = 0
    difficulty: str | Difficulty = 'default'
    pictures: bool = True

    def checked(self) -> PoseTrackConfig:
        """Copy with the preset looked up.

        Raises:
            ValueError: A setting is out of range.
        """
        check_positive(
            num_train=self.num_train,
            num_val=self.num_val,
            num_frames=self.num_frames,
            num_val_frames=self.num_val_frames,
            label_every=self.label_every,
        )
        # Four digits of an image's number.
        longest = max(self.num_frames, self.num_val_frames or 0)
        if longest > 9999:
            raise ValueError(f'num_frames must be below 10000, got {longest}')
        people = tuple(self.people)
        if len(people) != 2 or not 1 <= people[0] <= people[1] <= 20:
            raise ValueError(
                'people must be the fewest and the most of a sequence, '
                f'between 1 and 20, got {people}'
            )
        for name in ('walkers', 'ignored'):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise ValueError(f'{name} must lie in 0 to 1, got {value}')
        check_seed(self.seed)
        return replace(
            self,
            people=people,
            image_size=checked_size(self.image_size),
            difficulty=get_difficulty(self.difficulty),
        )

    def frames_of(self, split: str) -> int:
        """Frames of a sequence of a split ('train' or 'val')."""
        if split == 'val' and self.num_val_frames is not None:
            return self.num_val_frames
        return self.num_frames
