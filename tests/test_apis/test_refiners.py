# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""A refiner behind the pose model of a video."""

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.structures import InstanceData
from mmpose.registry import MODELS
from mmpose.utils import register_all_modules

from rpstn_mmpose.apis import VideoPoseInferencer
from rpstn_mmpose.streams import make_stream

from ..test_tools.load_tool import load_tool
from .tiny import NUM_JOINTS, PIXELS, build, image_model, pose_config
from .tiny import write_video as write

register_all_modules()

PIPELINE = [
    dict(type='LoadImage'),
    dict(type='LoadInputPose', pose_file='nowhere.json'),
    dict(type='GetPoseCenterScale'),
    dict(type='TopdownAffine', input_size=(64, 64)),
    dict(type='AddInputPose'),
    dict(type='PackPoseInputs'),
]


@MODELS.register_module()
class MoveRight(torch.nn.Module):
    """Refines a pose by two pixels of the crop to the right."""

    kind = 'refiner'

    def __init__(self, **_):
        super().__init__()
        self.moves = torch.nn.Parameter(torch.tensor(2.0))
        self.seen = []

    def test_step(self, data):
        for image, sample in zip(data['inputs'], data['data_samples']):
            pose = sample.gt_instances.input_poses
            self.seen.append(pose)
            found = pose[..., :2] + [self.moves.item(), 0]
            meta = sample.metainfo
            scale = meta['input_scale']
            found = found / 64 * scale + meta['input_center'] - scale / 2
            sample.pred_instances = InstanceData(keypoints=found)
            assert image.shape == (3, 64, 64)
        return data['data_samples']


def refiner_config(model=None, dataset='PennActionDataset'):
    return Config(
        dict(
            model=model or dict(type='MoveRight'),
            test_dataloader=dict(
                dataset=dict(type=dataset, pipeline=PIPELINE)
            ),
        )
    )


def posefix():
    return dict(
        type='PoseRefiner',
        sigma=2,
        data_preprocessor=dict(type='PoseDataPreprocessor', **PIXELS),
        backbone=dict(
            type='ResNet', depth=18, stem_channels=8, base_channels=8
        ),
        head=dict(
            type='PoseFixHead',
            in_channels=64,
            out_channels=NUM_JOINTS,
            deconv_out_channels=(8, 8, 8),
            decoder=dict(type='RegressionLabel', input_size=(64, 64)),
        ),
        test_cfg=dict(flip_test=True),
    )


def run(video, **options):
    torch.manual_seed(0)
    inferencer = VideoPoseInferencer(
        pose_config(image_model()), device='cpu', **options
    )
    state = build(image_model()).state_dict()
    inferencer.model.load_state_dict(state)
    boxes = [[[8, 6, 50, 60], [40, 2, 90, 62]]] * 4
    return inferencer, list(inferencer(video, bboxes=boxes))


@pytest.fixture(scope='module')
def video(tmp_path_factory):
    return str(write(tmp_path_factory.mktemp('video') / 'a.mp4', 4))


def test_each_person_of_each_frame_is_refined(video):
    """By two pixels of a crop of 64 around 1.2 * 1.25 extents of the pose;
    ids, boxes and scores stay."""
    _, before = run(video)
    inferencer, after = run(video, refiner=refiner_config())
    assert len(inferencer.refiner.model.seen) == 8
    for old, new in zip(before, after):
        pairs = list(zip(old['predictions'][0], new['predictions'][0]))
        assert len(pairs) == 2
        for one, two in pairs:
            points, moved = (
                np.array(p['keypoints'], float) for p in (one, two)
            )
            side = np.ptp(points, axis=0).max() * 1.5
            np.testing.assert_allclose(
                moved - points, [[2 * side / 64, 0]] * NUM_JOINTS, atol=1e-3
            )
            for key in ('track_id', 'bbox', 'keypoint_scores'):
                np.testing.assert_array_equal(one[key], two[key])


def test_smoothing_and_damaged_frames_come_after(video):
    """A frame without people, and the filter of the refined poses."""
    inferencer = VideoPoseInferencer(
        pose_config(image_model()),
        device='cpu',
        refiner=refiner_config(),
        smoothing=dict(type='OneEuroFilter'),
    )
    names = [type(s).__name__ for s in inferencer._stages(25, False)]
    assert names == [
        'TrackStage',
        'EstimateStage',
        'RefineStage',
        'SmoothStage',
        'BridgeStage',
    ]
    boxes = [[], [[8, 6, 50, 60]], [], []]
    found = list(inferencer(video, bboxes=boxes))
    assert [len(f['predictions'][0]) for f in found] == [0, 1, 0, 0]


def test_posefix_from_a_checkpoint(video, tmp_path):
    model = build(posefix())
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'posefix.pth')
    inferencer, found = run(
        video,
        refiner=refiner_config(posefix()),
        refiner_weights=tmp_path / 'posefix.pth',
    )
    loaded = inferencer.refiner.model
    assert not loaded.training
    for name, value in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value), name
    for frame in found:
        points = [p['keypoints'] for p in frame['predictions'][0]]
        assert np.isfinite(points).all() and len(points) == 2


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(refiner_weights='a.pth'), 'is of a refiner; give refiner'),
        (
            dict(refiner=refiner_config(image_model())),
            'TopdownPoseEstimator takes no pose; give the config of a',
        ),
        (
            dict(refiner=refiner_config(dataset='CocoRefineDataset')),
            'refines the joints nose, .* model finds head, .* same joints',
        ),
    ],
    ids=['weights alone', 'no refiner', 'other joints'],
)
def test_what_is_no_refiner_here(options, message):
    with pytest.raises(ValueError, match=message) as caught:
        VideoPoseInferencer(
            pose_config(image_model()), device='cpu', **options
        )
    assert '\n' not in str(caught.value)


def test_missing_weights():
    with pytest.raises(FileNotFoundError, match='no such checkpoint'):
        VideoPoseInferencer(
            pose_config(image_model()),
            device='cpu',
            refiner=refiner_config(),
            refiner_weights='nowhere.pth',
        )


def test_a_refiner_alone_is_no_pose_model():
    with pytest.raises(ValueError, match='PoseRefiner refines poses; give'):
        make_stream(MODELS.build(posefix()))


def test_the_demo_hands_it_on(monkeypatch):
    demo = load_tool('demo/topdown_video_demo.py')
    given = {}
    monkeypatch.setattr(
        'rpstn_mmpose.apis.VideoPoseInferencer',
        lambda *args, **options: given.update(options),
    )
    args = demo.parse_args(
        'a.mp4 --pose-config b.py --whole-frame --out-dir out '
        '--refiner c.py --refiner-checkpoint d.pth'.split()
    )
    demo.build_inferencer(args)
    assert given['refiner'] == 'c.py'
    assert given['refiner_weights'] == 'd.pth'
