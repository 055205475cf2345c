# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import base64
import csv
import json
import shutil

import cv2
import numpy as np
import pytest
import torch

from rpstn_mmpose.visualization import VideoWriter
from rpstn_mmpose.visualization.video_report import load_predictions
from tests.test_apis.tiny import build, pose_config, texture, video_model
from tests.test_visualization.test_video_report import (
    Page,
    dump_dom,
    make_content,
    person,
)

from .load_tool import load_tool

pytest.importorskip('av', reason='PyAV is not installed')
demo = load_tool('demo/topdown_video_demo.py')
report = load_tool('demo/report.py')


def tiny_config(model):
    config = pose_config(model)
    config.test_dataloader.dataset.update(split='test', test_mode=True)
    return config


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Frames, one of them damaged, a tiny model, and the demo's output."""
    from mmengine.registry import init_default_scope

    init_default_scope('mmpose')
    folder = tmp_path_factory.mktemp('report')
    config = tiny_config(video_model())
    config.custom_imports = dict(
        imports=['rpstn_mmpose'], allow_failed_imports=False
    )
    config.dump(str(folder / 'pose.py'))
    torch.save(
        dict(meta={}, state_dict=build(video_model()).state_dict()),
        folder / 'pose.pth',
    )
    (folder / 'frames').mkdir()
    for f in range(12):
        image = np.roll(texture(), 2 * f, axis=1)
        cv2.imwrite(str(folder / f'frames/{f:02d}.png'), image)
    (folder / 'frames/04.png').write_bytes(b'broken')
    boxes = {f: [[5 + 2 * f, 5, 45 + 2 * f, 60]] for f in range(2, 12)}
    (folder / 'boxes.json').write_text(json.dumps(boxes))
    demo.main(
        [
            str(folder / 'frames'),
            '--pose-config',
            str(folder / 'pose.py'),
            '--pose-checkpoint',
            str(folder / 'pose.pth'),
            '--device',
            'cpu',
            '--boxes',
            str(folder / 'boxes.json'),
            '--kpt-thr',
            '-100',
            '--fps',
            '10',
            '--out-dir',
            str(folder / 'out'),
        ]
    )
    return folder


def model(folder):
    return [
        '--video',
        folder / 'frames',
        '--pose-config',
        folder / 'pose.py',
        '--pose-checkpoint',
        folder / 'pose.pth',
        '--device',
        'cpu',
    ]


def run(out_dir, *args):
    """What the tool's exit says, '' where it returns."""
    try:
        report.main([str(out_dir), *map(str, args)])
    except SystemExit as end:
        return end.code
    return ''


def read(path):
    return Page(path.read_text(encoding='utf-8'))


def test_a_table_beside_the_predictions(folder, tmp_path, capsys):
    """A row for each record of a person, of the damaged frame too."""
    out = tmp_path / 'out'
    shutil.copytree(folder / 'out', out)
    assert run(out, '--csv') == ''
    assert capsys.readouterr().out.endswith(f'wrote {out}/frames.csv\n')
    rows = list(csv.DictReader((out / 'frames.csv').read_text().splitlines()))
    content = json.loads((out / 'frames.json').read_text())
    records = [
        (record, person)
        for record in content['instance_info']
        for person in record['instances']
    ]
    assert len(rows) == len(records) == 10
    names = content['meta_info']['keypoint_id2name']
    for row, (record, found) in zip(rows, records):
        assert float(row['time']) == record['time']
        assert (row['damaged'] == '1') == (record['frame_id'] == 4)
        for number, (x, y) in enumerate(found['keypoints']):
            name = names[str(number)]
            assert (float(row[f'{name}_x']), float(row[f'{name}_y'])) == (x, y)


def test_the_demos_output(folder, tmp_path, capsys):
    out = tmp_path / 'new/page.html'
    assert run(folder / 'out', '--out', out) == ''
    printed = capsys.readouterr().out
    assert printed == f'12 frames, 1 tracks, 1 damaged frames\nwrote {out}\n'
    page = read(out)
    src = page.find('video')[0]['src'].split('base64,')[1]
    assert base64.b64decode(src) == (folder / 'out/frames.mp4').read_bytes()
    # the trajectories alone: no model was given
    (image,) = page.find('img')
    assert (
        base64.b64decode(image['src'].split('base64,')[1])
        == (folder / 'out/frames_trajectories.png').read_bytes()
    )
    assert 'relation-how' in page.texts
    # Ids from the tracker; boxes begin in frame 2, and frame 4 is bridged.
    assert page.rows[1][1:3] == ['2–11', '9 (and 1 damaged)']
    content = json.loads((folder / 'out/frames.json').read_text())
    scores = [
        record['instances'][0]['keypoint_scores']
        for record in content['instance_info'][2:]
        if 'damaged' not in record
    ]
    assert page.rows[1][3] == f'{np.mean(scores):.3f}'
    head = [row and round(row[0], 4) for row in scores]
    assert [
        v for v in page.data['tracks'][0]['scores'][0] if v is not None
    ] == pytest.approx(head)


def test_the_demos_video_plays_in_chromium(folder, tmp_path):
    out = tmp_path / 'page.html'
    assert run(folder / 'out', '--out', out) == ''
    _, root = dump_dom(out, tmp_path)
    assert root['data-ready'] == 'yes' and root['data-video'] == '96x64'


def test_default_path_and_linked_video(folder, tmp_path, capsys):
    for name in ('frames.json', 'frames.mp4'):
        (tmp_path / name).write_bytes((folder / 'out' / name).read_bytes())
    assert run(tmp_path, '--embed-limit', 0, '--occluded-below', 0.3) == ''
    printed = capsys.readouterr().out
    assert 'is linked: keep frames.mp4 where it is' in printed
    page = read(tmp_path / 'frames_report.html')
    assert page.find('video')[0]['src'] == './frames.mp4'
    assert 'is linked' in page.text('video-note')
    assert 'below 0.3 of its own median' in page.text('estimate')
    (tmp_path / 'frames.mp4').unlink()
    assert run(tmp_path) == ''
    assert 'there was no frames.mp4' in capsys.readouterr().out
    page = read(tmp_path / 'frames_report.html')
    assert not page.find('video')
    assert 'The video is missing' in page.text('video-note')
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        'frames.json',
        'frames_report.html',
    ]


@pytest.fixture()
def calls(monkeypatch):
    """What the tool hands to predict_relation, and what it draws."""
    from rpstn_mmpose.visualization import relation_figure

    calls = []
    predict = relation_figure.predict_relation

    def spy(model, dataset, frames, bbox=None, index=-1):
        record = predict(model, dataset, frames, bbox, index)
        calls.append((frames, bbox, record))
        return record

    monkeypatch.setattr(relation_figure, 'predict_relation', spy)
    return calls


@pytest.mark.parametrize(
    'frame, clip',
    [
        (11, [7, 8, 9, 10, 11]),
        # The person came in frame 2, and frame 4 shows frame 3.
        (6, [2, 3, 3, 5, 6]),
        (2, [2]),
    ],
)
def test_relation_of_a_person_in_a_frame(folder, tmp_path, calls, frame, clip):
    out = tmp_path / 'page.html'
    assert (
        run(
            folder / 'out',
            '--out',
            out,
            *model(folder),
            '--frame',
            frame,
            '--track',
            0,
        )
        == ''
    )
    ((frames, box, record),) = calls
    expected = [cv2.imread(str(folder / f'frames/{f:02d}.png')) for f in clip]
    assert np.array_equal(frames, expected)
    np.testing.assert_allclose(
        box, [5 + 2 * frame, 5, 45 + 2 * frame, 60], atol=0.01
    )
    assert record.correlation.shape == (13, 13)
    page = read(out)
    assert f'person 0 in frame {frame}' in page.text('relation')
    assert page.find('a', href=f'#frame={frame}&track=0')
    assert ('a clip of' in page.text('relation')) == (len(clip) > 1)
    src = page.find('img', id='relation-image')[0]['src']
    png = np.frombuffer(base64.b64decode(src.split('base64,')[1]), np.uint8)
    assert cv2.imdecode(png, cv2.IMREAD_COLOR).std() > 20


def test_a_video_that_ends_early(folder, tmp_path):
    frames = [[person(0, 1, 1)]] * 20
    info = predictions(tmp_path / 'a.json', frames)
    with pytest.raises(ValueError, match='frames ends before frame 12; give'):
        report.read_clip(info, str(folder / 'frames'), 12, 5)
    assert len(report.read_clip(info, str(folder / 'frames'), 11, 5)) == 5


def predictions(path, frames, **kwargs):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        json.dumps(make_content(frames, joints=['a', 'b'], **kwargs))
    )
    return load_predictions(path)


def test_choice_of_person_and_frame(tmp_path):
    longest = [
        person(3, 0.5, 0.6),
        person(3, 0.9, 0.3),
        person(3, 0.7, 0.8),
        dict(person(3, 1, 1), bbox=None),
        person(3, 1, 1),
    ]
    frames = [[item] for item in longest]
    frames[1].append(person(8, 1, 1))
    frames[4].append(person(8, 1, 1))
    frames.append([])
    info = predictions(tmp_path / 'a.json', frames, damaged=[4])

    def choose(frame=None, track=None):
        track, frame = report.choose_person(info, frame, track)
        return track.track_id, frame

    # Means .55, .6, .75; frame 3 has no box, frame 4 is damaged.
    assert choose() == (3, 2)
    assert choose(frame=0) == (3, 0)
    assert choose(track=8) == (8, 1)
    assert choose(frame=1, track=8) == (8, 1)
    for wanted, message in (
        (dict(frame=6), '--frame 6 is not in clip, whose frames are 0 to 5'),
        (dict(frame=-1), '--frame -1 is not in clip'),
        (dict(frame=4), '--frame 4 of clip is damaged; choose another'),
        (dict(track=5), '--track 5 is not in clip, which has 3, 8$'),
        (dict(frame=5), 'clip has nobody in frame 5'),
        (dict(frame=0, track=8), 'clip has no track 8 in frame 0'),
        (dict(frame=3), 'clip: track 3 has no box in frame 3'),
    ):
        with pytest.raises(ValueError, match=message):
            choose(**wanted)
    info = predictions(tmp_path / 'b.json', [[]])
    with pytest.raises(ValueError, match='clip: nobody was tracked'):
        choose()
    info = predictions(
        tmp_path / 'c.json', [[dict(person(0, 1, 1), bbox=None)]]
    )
    with pytest.raises(ValueError, match='no frame of track 0 has both'):
        choose()


def test_another_video_or_model_is_one_line(folder, tmp_path):
    out = ['--out', tmp_path / 'a.html']
    for size, count, message in (
        (80, 12, 'is 80x64, but the predictions'),
        (96, 3, 'has 3 frames, but the pred'),
    ):
        path = tmp_path / f'{size}.mp4'
        with VideoWriter(path, fps=10) as writer:
            for _ in range(count):
                writer.write(np.zeros((64, size, 3), np.uint8))
        status = run(folder / 'out', *out, *model(folder), '--video', path)
        assert f'{size}.mp4 {message}' in status and '\n' not in status
    with VideoWriter(tmp_path / 'other.mp4', fps=10) as writer:
        for seed in range(12):
            writer.write(texture(seed=seed + 50))
    for args, message in (
        (['--video', folder / 'out/frames.mp4'], 'the poses drawn into it'),
        (['--video', tmp_path / 'other.mp4'], 'other.mp4 is not what'),
        (['--video', tmp_path / 'no.mp4'], 'no.mp4: no such video'),
        (['--pose-config', 'no-such-recipe'], "is called 'no-such-recipe'"),
        (['--pose-checkpoint', tmp_path / 'n.pth'], 'n.pth: no such'),
        (['--frame', 0], 'frames has nobody in frame 0'),
        (['--track', 7], '--track 7 is not in frames, which has 0'),
    ):
        status = run(folder / 'out', *out, *model(folder), *args)
        assert message in status and '\n' not in status
        assert status.startswith('report: ')
    other = predictions(tmp_path / 'other/a.json', [[person(0, 1, 1)]])
    assert other.joints == ['a', 'b']
    status = run(tmp_path / 'other', *out, *model(folder))
    assert 'pose.py has other joints than the predictions of clip' in status
    plain = video_model()
    plain['head'].update(relation=None)
    config = tiny_config(plain)
    config.dump(str(tmp_path / 'plain.py'))
    torch.save(
        dict(state_dict=build(plain).state_dict()), tmp_path / 'plain.pth'
    )
    status = run(
        folder / 'out',
        *out,
        *model(folder),
        '--pose-config',
        tmp_path / 'plain.py',
        '--pose-checkpoint',
        tmp_path / 'plain.pth',
    )
    assert 'the model has no JRE to show' in status and '\n' not in status
    assert not (tmp_path / 'a.html').exists()


def test_bad_folders_are_one_line(folder, tmp_path):
    torn = tmp_path / 'torn'
    torn.mkdir()
    (torn / 'a.json').write_text('{"meta_info": {\n"a": ')
    (tmp_path / 'odd').mkdir()
    (tmp_path / 'odd/a.json').write_text('[1, 2]')
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'two').mkdir()
    for name in 'ab':
        (tmp_path / f'two/{name}.json').write_text('{}')
    (tmp_path / 'file').write_text('')
    for where, args, message in (
        ('gone', [], 'gone: no such folder'),
        ('file', [], 'file: no such folder'),
        ('empty', [], 'has no .json file; run'),
        ('two', [], 'has 2 .json files; choose one with --name: a, b'),
        ('two', ['--name', 'c'], 'c.json: no such file'),
        ('torn', [], 'a.json is not JSON, or is torn'),
        ('odd', [], 'is not what topdown_video_demo.py writes: it is no'),
        (folder / 'out', ['--out', tmp_path / 'a.txt'], 'must end in .html'),
        (
            folder / 'out',
            ['--out', tmp_path / 'file/a.html'],
            'its folder is a file',
        ),
        (folder / 'out', ['--out', tmp_path / 'x.html/'], 'it is a folder'),
    ):
        (tmp_path / 'x.html').mkdir(exist_ok=True)
        status = run(tmp_path / where, *args)
        assert isinstance(status, str) and message in status
        assert status.startswith('report: ') and '\n' not in status
    assert run(tmp_path / 'odd', '--out', tmp_path / 'new/a.html')
    assert not (tmp_path / 'new').exists(), 'read before a folder is made'


@pytest.mark.parametrize(
    'args, message',
    [
        (['--pose-config', 'a'], 'needs --video, --pose-config and'),
        (
            ['--video', 'a', '--pose-config', 'a'],
            'needs --video, --pose-config',
        ),
        (
            ['--frame', '0'],
            '--frame and --track are of the correlation matrix',
        ),
        (
            ['--track', '0'],
            '--frame and --track are of the correlation matrix',
        ),
        (
            ['--device', 'cpu'],
            '--device does nothing without the correlation m',
        ),
        (['--embed-limit', '-1'], '--embed-limit must be at least 0'),
        (['--embed-limit', 'nan'], '--embed-limit must be at least 0'),
        (
            ['--occluded-below', '1'],
            '--occluded-below must lie between 0 and 1',
        ),
        (
            ['--occluded-below', '0'],
            '--occluded-below must lie between 0 and 1',
        ),
    ],
)
def test_usage_errors(args, message, capsys):
    assert run('out', *args) == 2
    assert message in ' '.join(capsys.readouterr().err.split())
