# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Made-up PoseTrack18 files: people whose heads are 60 pixels in size."""

import json

from rpstn_mmpose.evaluation import POSETRACK_FILE_NAMES, POSETRACK_JOINTS

JOINTS = [
    'nose',
    'head_bottom',
    'head_top',
    'left_ear',
    'right_ear',
    'left_shoulder',
    'right_shoulder',
    'left_elbow',
    'right_elbow',
    'left_wrist',
    'right_wrist',
    'left_hip',
    'right_hip',
    'left_knee',
    'right_knee',
    'left_ankle',
    'right_ankle',
]
# An ignore region of a whole picture.
IGNORED = dict(
    ignore_regions_x=[[-9, 9000, 9000, -9]],
    ignore_regions_y=[[-9, -9, 9000, 9000]],
)
EVALUATED = [POSETRACK_FILE_NAMES.get(j, j) for j in POSETRACK_JOINTS]


def person(image, x=100.0, y=100.0, track=0, joints=EVALUATED, score=None):
    """Joint i of ``JOINTS`` at (x, y + 100 i); ``scores`` make a prediction.

    A head box of 60 x 80 has a diagonal of 100, so that the head's size is 60
    and a joint is right up to 30 pixels.
    """
    keypoints = []
    for i, joint in enumerate(JOINTS):
        there = joint in joints
        keypoints += [x, y + 100 * i, 1] if there else [0, 0, 0]
    annotation = dict(
        image_id=image,
        track_id=track,
        category_id=1,
        keypoints=keypoints,
        scores=[] if score is None else [score] * 17,
    )
    if score is None:
        annotation['bbox_head'] = [x, y, 60, 80]
    return annotation


def sequence(people, num=1, **images):
    """A file's content; images 1 ... num, ``images`` are given by ``_1``."""
    return dict(
        images=[
            dict(
                id=i,
                frame_id=i,
                file_name=f'images/a/{i:06d}.jpg',
                vid_id='1',
                **images.get(f'_{i}', {}),
            )
            for i in range(1, num + 1)
        ],
        categories=[dict(id=1, name='person', keypoints=JOINTS)],
        annotations=people,
    )


def pair(truth, pred, num=1, **images):
    """Truth and predictions of one sequence, for ``posetrack_ap``."""
    return (
        {'a.json': sequence(truth, num, **images)},
        {'a.json': sequence(pred, num)},
    )


def write(folder, contents):
    """One file a sequence; returns the folder as a string."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_text(json.dumps(content))
    return str(folder)
