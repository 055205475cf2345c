# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import cv2
import pytest
import torch

from tests.test_visualization.test_video_prediction import small_config
from tests.test_visualization.test_video_writer import decode
from tests.test_visualization.videos import write_videos

from .load_tool import load_tool

compare_video = load_tool('analysis_tools/compare_video.py')


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Data, a config and two checkpoints of its model."""
    from mmengine.registry import init_default_scope
    from mmpose.registry import MODELS

    init_default_scope('mmpose')
    folder = tmp_path_factory.mktemp('all')
    write_videos(folder / 'data', {'0001': 5, '0002': 4, '0005': 6})
    config = small_config(folder / 'data')
    config.dump(str(folder / 'config.py'))
    for name in 'ab':
        state = MODELS.build(config.model).state_dict()
        torch.save(dict(state_dict=state), str(folder / f'{name}.pth'))
    return folder


def run(folder, *args):
    compare_video.main(
        [
            str(folder / 'config.py'),
            str(folder / 'a.pth'),
            '--device',
            'cpu',
            *map(str, args),
        ]
    )


def test_one_model(folder, tmp_path, capsys):
    run(folder, '--out', tmp_path / 'a.mp4', '--videos', 2, '--fps', 10)
    frames, codec, _, rate = decode(tmp_path / 'a.mp4')
    assert len(frames) == 5 + 6 and codec == 'h264' and rate == 10
    # two pictures of 96 x 64 at a height of 432
    assert frames[0].shape == (36 + 30 + 432 + 34, 648 * 2 + 6, 3)
    printed = capsys.readouterr()
    assert 'prediction: PCK@0.2 (torso) visible ' in printed.out
    # a bar is for people: none where the output is not a terminal
    assert printed.err == ''


def test_two_models_and_a_sheet(folder, tmp_path, capsys):
    run(
        folder,
        '--second',
        folder / 'config.py',
        folder / 'b.pth',
        '--labels',
        'A',
        'B',
        '--out',
        tmp_path / 'a.mp4',
        '--sheet',
        tmp_path / 'a.png',
        '--video-ids',
        '0002',
        '0001',
        '--max-frames',
        3,
    )
    frames = decode(tmp_path / 'a.mp4')[0]
    assert len(frames) == 6 and frames[0].shape[1] == 648 * 3 + 12
    out = capsys.readouterr().out
    assert 'A: PCK@0.2' in out and 'B: PCK@0.2' in out
    # three rows of 300 with a line of text each, and the legend
    assert cv2.imread(str(tmp_path / 'a.png')).shape[0] == 3 * 334 + 34


@pytest.mark.parametrize(
    'args, message',
    [
        (['--video-ids', '0001', '7'], 'no video 7 in the data set; it has 3'),
        (['--videos', '0'], 'number of videos must be at least 1'),
        (['--max-frames', '0'], 'max_frames must be at least 1'),
        (['--data-root', 'nowhere'], "no folder 'nowhere/labels'"),
        (['--second', 'x.py', 'x.pth'], 'x.py: no such config file'),
        (['--sheet', 'a.txt'], 'a.txt: the name must end in .png'),
        (['--device', 'gpu'], "device must be such as 'cpu'"),
    ],
)
def test_bad_input_is_one_line(folder, tmp_path, args, message):
    with pytest.raises(SystemExit, match=message) as info:
        run(folder, '--out', tmp_path / 'a.mp4', *args)
    assert str(info.value.code).startswith('compare_video: ')
    assert '\n' not in str(info.value.code)
    assert list(tmp_path.iterdir()) == []


def test_unwritable_out_is_found_before_anything_is_loaded(folder, tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(SystemExit, match='cannot write .*its folder is a'):
        compare_video.main(
            ['no.py', 'no.pth', '--out', str(tmp_path / 'file' / 'a.mp4')]
        )


def test_checkpoint_of_another_model(folder, tmp_path):
    torch.save(dict(state_dict={'x': torch.zeros(1)}), tmp_path / 'x.pth')
    with pytest.raises(SystemExit, match='x.pth cannot be loaded into') as e:
        compare_video.main(
            [
                str(folder / 'config.py'),
                str(tmp_path / 'x.pth'),
                '--out',
                str(tmp_path / 'a.mp4'),
            ]
        )
    assert '\n' not in str(e.value.code)


@pytest.mark.parametrize(
    'args, message',
    [
        ([], 'give --out VIDEO.mp4, --sheet PICTURE.png or both'),
        (['--out', 'a.mp4', '--labels', 'a', 'b'], '1 models but 2 --labels'),
        (
            ['--sheet', 'a.png', '--fps', '9'],
            '--fps is of the video; give --out',
        ),
        (
            ['--out', 'a.mp4', '--videos', '2', '--video-ids', '0001'],
            '--videos does nothing beside --video-ids',
        ),
    ],
)
def test_usage_errors(folder, args, message, capsys):
    with pytest.raises(SystemExit) as info:
        run(folder, *args)
    assert info.value.code == 2
    assert message in capsys.readouterr().err
