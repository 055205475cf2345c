# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import cv2
import numpy as np
import pytest
import torch

from tests.test_visualization.test_relation_figure import (
    build,
    clip_config,
    image_config,
    make_frames,
)

from .load_tool import load_tool

visualize_relation = load_tool('analysis_tools/visualize_relation.py')


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Configs and checkpoints of an image and a clip model, and frames."""
    from mmengine.registry import init_default_scope

    init_default_scope('mmpose')
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp('relation')
    for name, config in (('image', image_config()), ('clip', clip_config())):
        del config.test_dataloader.dataset['lazy_init']
        config.dump(str(folder / f'{name}.py'))
        config.test_dataloader.dataset.lazy_init = True
        state = build(config)[0].state_dict()
        torch.save(dict(state_dict=state), str(folder / f'{name}.pth'))
    (folder / 'frames').mkdir()
    for number, frame in enumerate(make_frames(7)):
        cv2.imwrite(str(folder / f'frames/{number:06d}.png'), frame)
    (folder / 'frames/notes.txt').write_text('no frame')
    (folder / 'frames/._000001.png').write_bytes(b'left by a Mac')
    (folder / 'empty').mkdir()
    (folder / 'broken.png').write_bytes(b'no image')
    return folder


def run(folder, name, *args):
    visualize_relation.main(
        [
            str(folder / f'{name}.py'),
            str(folder / f'{name}.pth'),
            '--device',
            'cpu',
            *map(str, args),
        ]
    )


@pytest.fixture()
def calls(monkeypatch):
    """What the tool hands to predict_relation."""
    calls = []
    original = visualize_relation.predict_relation

    def spy(model, dataset, frames, bbox=None, index=-1):
        calls.append((frames, bbox))
        return original(model, dataset, frames, bbox, index)

    monkeypatch.setattr(visualize_relation, 'predict_relation', spy)
    return calls


def test_image_model(folder, tmp_path, calls, capsys):
    out = tmp_path / 'figure.png'
    run(
        folder,
        'image',
        folder / 'frames/000003.png',
        '--out',
        out,
        '--bbox',
        10,
        20,
        60,
        80.5,
    )
    captured = capsys.readouterr()
    assert captured.out.endswith(f'wrote {out}\n')
    assert '--bbox' not in captured.err
    assert cv2.imread(str(out)).std() > 20
    ((frames, bbox),) = calls
    assert bbox == [10, 20, 60, 80.5]
    assert np.array_equal(frames, make_frames(7)[3:4])


def test_clip_model_sees_the_frames_before(folder, tmp_path, calls, capsys):
    out = tmp_path / 'figure.jpg'
    run(folder, 'clip', folder / 'frames', '--out', out, '--frame', 5)
    # without a box the person is taken to fill the picture, which is said
    assert (
        'visualize_relation: no --bbox: the whole picture, 120 x 90, is taken '
        'for the person; give --bbox X1 Y1 X2 Y2' in capsys.readouterr().err
    )
    assert calls[0][1] is None
    assert cv2.imread(str(out)).std() > 20
    # five, the config's clip length, up to the one asked for
    assert np.array_equal(calls[0][0], make_frames(7)[1:6])


@pytest.mark.parametrize(
    'number, frame, length, expected',
    [
        (7, -1, 5, [2, 3, 4, 5, 6]),
        (7, 1, 5, [0, 1]),
        (7, 6, 1, [6]),
        (1, 0, 5, [0]),
    ],
)
def test_choice_of_the_clip(number, frame, length, expected):
    clip = visualize_relation.choose_clip(number, frame, length)
    assert list(clip) == expected


@pytest.mark.parametrize(
    'args, message',
    [
        (['gone.png'], 'gone.png: no such image or folder'),
        (['{}/broken.png'], 'broken.png cannot be read as an image'),
        (['{}/empty'], 'empty has no image'),
        (
            ['{}/frames', '--bbox', '9', '9', '5', '20'],
            'the box .9.0, 9.0, 5.0, 20.0. must be finite with x1 < x2',
        ),
        (
            ['{}/frames', '--bbox', '500', '9', '600', '20'],
            'outside of the image, which is 120 x 90',
        ),
        (['{}/frames', '--frame', '7'], '--frame 7 is not among the 7 images'),
        (['{}/frames', '--device', 'gpu'], "device must be such as 'cpu'"),
    ],
)
def test_bad_input_is_one_line(folder, tmp_path, args, message):
    args = [arg.format(folder) for arg in args]
    with pytest.raises(SystemExit, match=message) as info:
        run(folder, 'image', *args, '--out', tmp_path / 'a.png')
    assert str(info.value.code).startswith('visualize_relation: ')
    assert '\n' not in str(info.value.code)
    assert list(tmp_path.iterdir()) == []


def test_clip_length_that_is_not_positive(folder, tmp_path):
    with pytest.raises(SystemExit, match='--clip-length must be positive'):
        run(
            folder,
            'clip',
            folder / 'frames',
            '--clip-length',
            0,
            '--out',
            tmp_path / 'a.png',
        )


def test_model_without_a_relation(folder, tmp_path):
    config = image_config('HeatmapHead')
    config.dump(str(tmp_path / 'plain.py'))
    from mmpose.registry import MODELS

    state = MODELS.build(config.model).state_dict()
    torch.save(dict(state_dict=state), str(tmp_path / 'plain.pth'))
    with pytest.raises(
        SystemExit,
        match='the model has no JRE to show: its HeatmapHead has no relation',
    ) as info:
        run(tmp_path, 'plain', folder / 'frames', '--out', tmp_path / 'a.png')
    assert '\n' not in str(info.value.code)


def test_bad_paths(folder, tmp_path):
    with pytest.raises(SystemExit, match='no.py: no such config file'):
        visualize_relation.main(
            [
                'no.py',
                'no.pth',
                str(folder / 'frames'),
                '--out',
                str(tmp_path / 'a.png'),
            ]
        )
    with pytest.raises(SystemExit, match='a.txt: the name must end in .png'):
        visualize_relation.main(
            ['no.py', 'no.pth', 'x.png', '--out', str(tmp_path / 'a.txt')]
        )
