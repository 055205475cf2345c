# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Samples of PoseTrack clips, as mmengine's Evaluator hands them on."""

from collections import defaultdict

import numpy as np
from mmengine.structures import InstanceData
from mmpose.structures import PoseDataSample

from tests.test_evaluation.posetrack_files import JOINTS

META = dict(
    dataset_name='posetrack18',
    num_keypoints=17,
    keypoint_id2name=dict(enumerate(JOINTS)),
    sigmas=np.full(17, 0.05, np.float32),
    CLASSES=[dict(id=1, name='person')],
)


def posetrack_clip(people, clip_id=0, mask=None, track_id=None):
    """A clip whose predictions are T annotations of a PoseTrack18 file."""
    num = len(people)
    points = np.array([p['keypoints'] for p in people], np.float64)
    points = points.reshape(num, -1, 3)
    boxes = np.array(
        [p.get('bbox', [90, 90, 20, 1700]) for p in people], np.float64
    )
    boxes[:, 2:] += boxes[:, :2]
    scores = np.array(
        [p['scores'] or points[i, :, 2].tolist() for i, p in enumerate(people)]
    )
    images = [p['image_id'] for p in people]
    meta = dict(
        id=clip_id,
        video_id='a',
        frame_ids=[image % 10000 for image in images],
        image_ids=images,
        img_id=f'a/{images[0] % 10000}',
        img_paths=[f'{image}.jpg' for image in images],
        ori_shape=(2000, 2000),
        category_id=1,
        frame_mask=np.ones(num, bool)
        if mask is None
        else np.array(mask, bool),
    )
    if track_id is not None:
        meta['track_id'] = track_id
    visible = (points[..., 2] > 0).astype(np.float32)
    return PoseDataSample(
        metainfo=meta,
        gt_instances=InstanceData(
            bboxes=boxes,
            bbox_scores=np.ones(num, np.float32),
            keypoints=points[..., :2].copy(),
            keypoints_visible=visible,
            keypoints_labeled=visible,
        ),
        pred_instances=InstanceData(
            keypoints=points[..., :2].copy(), keypoint_scores=scores
        ),
    )


def clips_of(contents, tracked=True):
    """One clip of all frames of each track of PoseTrack18 contents."""
    tracks = defaultdict(list)
    for file, content in contents.items():
        for person in content['annotations']:
            tracks[file, person['track_id']].append(person)
    return [
        posetrack_clip(people, i, track_id=track if tracked else -1)
        for i, ((_, track), people) in enumerate(tracks.items())
    ]
