# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Settings of a synthetic HiEve data set."""

from __future__ import annotations

from dataclasses import dataclass

from .config import check_positive
from .posetrack_config import PoseTrackConfig

# Videos that HiEve has of each: RPSTN's train15 and val4, and test.
MOST_VIDEOS = dict(num_train=15, num_val=4, num_test=13)


@dataclass(frozen=True)
class HiEveConfig(PoseTrackConfig):
    """Settings of a data set; what is not listed is as in PoseTrack's.

    Attributes:
        num_train (int): Videos of the split train15, 1 to 15.
        num_val (int): Videos of the split val4, 1 to 4.
        num_test (int): Videos without labels, 1 to 13.
        num_frames (int): Frames a video, >= 1; all of them are labelled.
        num_val_frames (int, optional): Frames a video of the last two;
            ``num_frames`` by default.
        label_every (int): Frames 0, n, 2n, ... have labels of actions.
    """

    num_train: int = 15
    num_val: int = 4
    num_test: int = 13
    num_frames: int = 41
    people: tuple[int, int] = (2, 4)
    label_every: int = 20

    def checked(self) -> HiEveConfig:
        """Copy with the preset looked up.

        Raises:
            ValueError: A setting is out of range.
        """
        check_positive(num_test=self.num_test)
        for name, most in MOST_VIDEOS.items():
            if getattr(self, name) > most:
                raise ValueError(
                    f'{name} must be at most {most}, as HiEve has no more '
                    f'videos of this split, got {getattr(self, name)}'
                )
        return super().checked()
