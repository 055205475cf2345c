# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import base64
import hashlib
import json
import math
import os
import re
import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pytest

from rpstn_mmpose.visualization.confidence import tracks_of
from rpstn_mmpose.visualization.frame_times import read_times
from rpstn_mmpose.visualization.video_report import (
    RelationPicture,
    build_report,
    find_predictions,
    frame_runs,
    joint_titles,
    load_predictions,
    video_source,
    write_report,
)

JOINTS = ['head', 'left_wrist', 'right_wrist']
NASTY = '"><img src=x onerror=alert(1)></script><script>alert(2)</script>&amp;'


def person(track_id, *scores, **others):
    return dict(
        track_id=track_id,
        bbox=[[1.0, 2.0, 30.0, 40.0]],
        keypoints=[[5.0, 6.0]] * len(scores),
        keypoint_scores=list(scores),
        **others,
    )


def make_content(frames, damaged=(), joints=JOINTS, **video):
    """As the video demo writes it; ``frames`` are lists of instances."""
    video = dict(
        dict(
            name='clip', fps=10.0, width=96, height=64, announced_frames=None
        ),
        **video,
    )
    meta = dict(
        dataset_name='toy',
        keypoint_id2name={str(k): name for k, name in enumerate(joints)},
        video=video,
    )
    records = []
    for frame, instances in enumerate(frames):
        record = dict(frame_id=frame, instances=instances)
        if frame in damaged:
            record['damaged'] = True
        records.append(record)
    return dict(meta_info=meta, instance_info=records)


def two_people():
    """Person 4 in frames 0-5 and 8-9, person 2 in 3-5; 5 is damaged.

    Medians of person 4: head 0.8, left wrist 0.4, right wrist 0. The left
    wrist is below half of it in frames 2 and 9.
    """
    wrist = {2: 0.1, 9: 0.19}
    frames = []
    for f in range(10):
        people = []
        if f <= 5 or f >= 8:
            people.append(person(4, 0.8, wrist.get(f, 0.4), 0.0))
        if 3 <= f <= 5:
            people.append(person(2, 0.5, 0.6, 0.7))
        frames.append(people)
    return make_content(frames, damaged=[5])


def load(content, folder):
    path = folder / 'clip.json'
    path.write_text(json.dumps(content))
    return load_predictions(path)


class Page(HTMLParser):
    """Elements as (tag, attributes), and the text in elements with an id."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.open = [], []
        self.texts, self.rows, self.scripts = {}, [], []
        self.title = ''
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.elements.append((tag, attributes))
        if tag not in ('meta', 'link', 'img', 'br', 'input'):
            self.open.append((tag, attributes.get('id')))
        if tag == 'tr':
            self.rows.append([])
        if tag in ('td', 'th'):
            self.rows[-1].append('')
        if tag == 'script':
            self.scripts.append('')

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        for tag, name in self.open:
            if name:
                self.texts[name] = self.texts.get(name, '') + data
            if tag == 'title':
                self.title += data
            if tag in ('td', 'th'):
                self.rows[-1][-1] += data
        if self.open and self.open[-1][0] == 'script':
            self.scripts[-1] += data

    def find(self, tag, **attributes):
        return [
            found
            for name, found in self.elements
            if name == tag
            and all(
                found.get(key) == value for key, value in attributes.items()
            )
        ]

    def text(self, name):
        return ' '.join(self.texts[name].split())

    @property
    def data(self):
        return json.loads(self.texts['data'])


def test_what_is_read(tmp_path):
    info = load(two_people(), tmp_path)
    assert (
        info.name,
        info.fps,
        info.size,
        info.num_frames,
        info.damaged,
        info.dataset,
    ) == ('clip', 10.0, (96, 64), 10, [5], 'toy')
    assert joint_titles(info) == ['head', 'left wrist', 'right wrist']
    tracks = tracks_of(info)
    assert list(tracks) == [4, 2], 'who was there longest comes first'
    track = tracks[4]
    assert track.frames.tolist() == [0, 1, 2, 3, 4, 5, 8, 9]
    assert np.isnan(track.scores[5]).all(), 'damaged: the pose is repeated'
    np.testing.assert_allclose(track.scores[7], [0.8, 0.19, 0.0])
    np.testing.assert_allclose(track.bboxes, [[1, 2, 30, 40]] * 8)
    assert (info.track_ids >= 0).all()


def test_occlusion_is_below_a_fraction_of_the_joints_median(tmp_path):
    track = tracks_of(load(two_people(), tmp_path))[4]
    np.testing.assert_allclose(track.medians(), [0.8, 0.4, 0.0])
    # a median of 0 leaves nothing to be a fraction of
    np.testing.assert_allclose(track.limits(0.5), [0.4, 0.2, np.nan])
    low = track.occluded(0.5)
    assert np.argwhere(low).tolist() == [[2, 1], [7, 1]]
    # 0.19 is not below 0.4 times 0.4, 0.1 is
    assert np.argwhere(track.occluded(0.4)).tolist() == [[2, 1]]


def test_median_of_an_even_number_and_of_unknown_scores(tmp_path):
    content = make_content(
        [
            [person(0, 0.2, None, -0.4)],
            [person(0, 0.7, None, -0.1)],
            [person(0, 0.5, None, -0.2)],
            [person(0, 0.8, None, None)],
        ]
    )
    track = tracks_of(load(content, tmp_path))[0]
    np.testing.assert_allclose(track.medians(), [0.6, np.nan, -0.2])
    np.testing.assert_allclose(track.limits(0.5), [0.3, np.nan, np.nan])
    assert np.argwhere(track.occluded(0.5)).tolist() == [[0, 0]]


def test_whole_numbers_are_scores_too(tmp_path):
    content = make_content([[person(0, 1, 0, 1)]] * 2, damaged=[1])
    scores = tracks_of(load(content, tmp_path))[0].scores
    np.testing.assert_array_equal(scores, [[1, 0, 1], [np.nan] * 3])


def test_frame_runs():
    assert frame_runs([]) == []
    assert frame_runs([7]) == [(7, 7)]
    assert frame_runs(np.array([0, 1, 2, 5, 7, 8])) == [(0, 2), (5, 5), (7, 8)]


def test_numbers_of_the_page(tmp_path):
    page = Page(build_report(load(two_people(), tmp_path)))
    assert page.title == 'clip: poses'
    head, longest, shortest = page.rows
    assert len(head) == 6
    # mean of 7 frames: heads 5.6, left wrists 5 * 0.4 + 0.29, of 21 numbers
    assert longest == [
        '4',
        '0–5, 8–9',
        '7 (and 1 damaged)',
        f'{(7 * 0.8 + 5 * 0.4 + 0.29) / 21:.3f}',
        '2: 2, 9',
        'left wrist (2)',
    ]
    assert shortest == ['2', '3–5', '2 (and 1 damaged)', '0.600', '0', '']
    assert 'estimate' in page.text('estimate')
    assert 'below 0.5 of its own median' in page.text('estimate')
    assert page.text('damaged').endswith('count for nothing below: 5.')
    assert page.find('a', href='#frame=5'), 'leads to the damaged frame'
    data = page.data
    assert data['num_frames'] == 10 and data['fps'] == 10
    assert data['damaged'] == [[5, 5]] and data['score_range'] == [0, 0.8]
    first, second = data['tracks']
    assert first['id'] == 4 and first['runs'] == [[0, 5], [8, 9]]
    assert first['low'] == [[2, 2], [9, 9]]
    assert first['limits'] == [0.4, 0.2, None]
    assert first['scores'][1] == [0.4, 0.4, 0.1, 0.4, 0.4, None, 0.4, 0.19]
    assert second['scores'][2] == [0.7, 0.7, None]
    assert [o['value'] for o in page.find('option')] == ['4', '2']


def test_fraction_is_stated_and_checked(tmp_path):
    info = load(two_people(), tmp_path)
    page = Page(build_report(info, fraction=0.25))
    assert 'below 0.25 of its own median' in page.text('estimate')
    # 0.1 is not below 0.25 * 0.4
    assert page.rows[1][4] == '0'
    for fraction in (0, 1, math.nan):
        with pytest.raises(ValueError, match=r'fraction must lie in \(0, 1'):
            build_report(info, fraction=fraction)


def test_a_page_of_nobody(tmp_path):
    page = Page(build_report(load(make_content([[], []]), tmp_path)))
    assert 'Nobody was tracked' in page.text('people')
    assert page.text('damaged') == 'No frame is damaged.'
    assert page.data['tracks'] == [] and not page.rows
    assert not page.find('svg', id='chart')


def test_people_without_ids_and_frames_that_are_missing(tmp_path):
    lost = person(-1, 0.1, 0.1, 0.1)
    nameless = dict(keypoint_scores=[0.1] * 3)
    content = make_content(
        [[lost, person(0, 1, 1, 1)], [nameless]], announced_frames=30
    )
    text = build_report(load(content, tmp_path))
    page = Page(text)
    assert page.text('untracked').endswith('left out: 2.')
    assert '2 frames of\n30 that the video announced' in text


def test_long_lists_are_cut(tmp_path):
    frames = [[person(0, 1, 1, 1)] if f % 2 == 0 else [] for f in range(40)]
    page = Page(build_report(load(make_content(frames), tmp_path)))
    assert page.rows[1][1].endswith('20, 22 and 8 more stretches')


def nasty_page(folder):
    content = make_content(
        [[person(0, 1.0, 1.0, 1.0)] * 1] * 3,
        joints=[NASTY, 'b', 'c'],
        name=NASTY,
    )
    content['meta_info']['dataset_name'] = NASTY
    return build_report(
        load(content, folder),
        './' + NASTY,
        NASTY,
        relation=RelationPicture(b'png', 0, 1, NASTY),
    )


def test_names_are_text(tmp_path):
    text = nasty_page(tmp_path)
    page = Page(text)
    plain = Page(build_report(load(two_people(), tmp_path)))
    assert len(page.find('script')) == len(plain.find('script')) == 2
    # the relation's image alone
    assert [i.get('id') for i in page.find('img')] == ['relation-image']
    assert not any(key.startswith('on') for _, a in page.elements for key in a)
    assert page.title == f'{NASTY}: poses'
    assert page.find('video')[0]['src'] == './' + NASTY
    assert NASTY in page.texts['video-note']
    assert NASTY in page.texts['relation']
    assert page.data['joints'][0] == NASTY
    assert NASTY not in text


def test_the_page_asks_the_network_for_nothing(tmp_path):
    info = load(two_people(), tmp_path)
    text = build_report(
        info,
        'data:video/mp4;base64,AAAA',
        relation=RelationPicture(b'\x89PNG', 4, 2, 'A matrix.'),
        trajectories=b'\x89PNG',
    )
    assert not re.search(r'https?:|//[a-z]|@import|url\(', text)
    page = Page(text)
    for _, attributes in page.elements:
        for key in ('src', 'href', 'data', 'poster', 'action', 'srcset'):
            assert re.match('#|data:', attributes.get(key, '#'))
    # and the policy holds the browser to it: one script, no other source
    (policy,) = [
        item['content'] for item in page.find('meta') if 'http-equiv' in item
    ]
    assert policy.startswith("default-src 'none';")
    digest = hashlib.sha256(page.scripts[1].encode()).digest()
    assert base64.b64encode(digest).decode() in policy
    assert "script-src 'unsafe" not in policy


def test_relation_and_trajectories(tmp_path):
    info = load(two_people(), tmp_path)
    page = Page(build_report(info))
    assert '--pose-checkpoint' in page.text('relation-how')
    assert not page.find('img') and 'trajectories' not in page.texts
    page = Page(
        build_report(
            info,
            relation=RelationPicture(b'matrix', 4, 2, 'Person 4.'),
            trajectories=b'paths',
        )
    )
    assert 'Person 4.' in page.text('relation')
    assert page.find('a', href='#frame=2&track=4')
    sources = [item['src'] for item in page.find('img')]
    assert [base64.b64decode(src.split('base64,')[1]) for src in sources] == [
        b'matrix',
        b'paths',
    ]
    assert 'relation-how' not in page.texts


def test_video_is_embedded_linked_or_missing(tmp_path):
    video = tmp_path / 'out' / 'a b#1:é.mp4'
    video.parent.mkdir()
    page = tmp_path / 'out' / 'page.html'
    assert video_source(video, page)[0] == ''
    assert f'was no {video.name} beside' in video_source(video, page)[1]
    video.write_bytes(b'')
    assert 'was empty' in video_source(video, page)[1]
    content = bytes(range(256)) * 8  # 2,048 bytes
    video.write_bytes(content)
    src, note = video_source(video, page, limit=0.002048)
    assert note == '' and src.startswith('data:video/mp4;base64,')
    assert base64.b64decode(src.split(',')[1]) == content
    src, note = video_source(video, page, limit=0.002047)
    assert src == './a%20b%231%3A%C3%A9.mp4'
    assert 'is linked: keep a b#1:é.mp4' in note
    src, _ = video_source(video, tmp_path / 'page.html', limit=0)
    assert src == './out/a%20b%231%3A%C3%A9.mp4'
    (tmp_path / 'deep').mkdir()
    src, _ = video_source(video, tmp_path / 'deep/page.html', limit=0)
    assert src.startswith('./../out/')


def broken(**changes):
    """Content with a wrong part: ``meta``, ``video``, ``frame``, ``item``."""
    content = make_content(
        [[person(0, 1.0, 1.0, 1.0)], [person(0, 1.0, 1.0, 1.0)]]
    )
    content['meta_info'].update(changes.get('meta', {}))
    content['meta_info']['video'].update(changes.get('video', {}))
    record = content['instance_info'][1]
    record.update(changes.get('frame', {}))
    if 'item' in changes:
        record['instances'][0].update(changes['item'])
    return content


@pytest.mark.parametrize(
    'content, message',
    [
        ([], 'it is no object'),
        ({}, 'has no "meta_info" object'),
        ({'meta_info': {}}, 'has no "instance_info" list'),
        (broken(meta=dict(keypoint_id2name={})), 'has no "keypoint_id2name"'),
        (broken(meta=dict(keypoint_id2name={'1': 'a'})), '"keypoint_id2name"'),
        (broken(meta=dict(keypoint_id2name={'0': 5})), '"keypoint_id2name"'),
        (
            dict(
                meta_info=dict(keypoint_id2name={'0': 'a'}), instance_info=[]
            ),
            '"meta_info" has no "video"',
        ),
        (broken(video=dict(name=None)), 'the video has no "name"'),
        (broken(video=dict(fps=0)), 'the "fps" of the video must be positive'),
        (broken(video=dict(fps=10**400)), 'the "fps" of the video must be'),
        (broken(video=dict(width=None)), 'the "width" of the video must be'),
        (make_content([]), 'it has no frames'),
        (broken(frame=dict(frame_id=5)), 'frame 1 has the "frame_id" 5'),
        (broken(frame=dict(frame_id='1')), 'frame 1 has the "frame_id" .1.'),
        (broken(frame=dict(damaged='no')), '"damaged" must be true or false'),
        (
            broken(frame=dict(instances=None)),
            'frame 1 has no "instances" list',
        ),
        (broken(frame=dict(instances=[3])), 'frame 1: a person is no object'),
        (broken(item=dict(track_id='a')), 'track_id must be a whole number'),
        (broken(item=dict(keypoint_scores=[1])), 'must be 3 numbers'),
        (broken(item=dict(keypoint_scores=[1, 2, math.nan])), '3 numbers'),
        (
            broken(frame=dict(instances=[person(0, 1, 1, 1)] * 2)),
            'frame 1 has track_id 0 twice',
        ),
    ],
)
def test_json_of_another_shape(tmp_path, content, message):
    with pytest.raises(ValueError, match=message) as info:
        load(content, tmp_path)
    assert re.match(
        r'.*clip\.json is not what topdown_video_demo.py writes',
        str(info.value),
    )


def test_torn_json(tmp_path):
    path = tmp_path / 'clip.json'
    path.write_text(json.dumps(two_people())[:-40])
    with pytest.raises(ValueError, match='clip.json is not JSON, or is torn'):
        load_predictions(path)
    path.write_bytes(b'{"a": "\xff"}')
    with pytest.raises(ValueError, match='clip.json is not JSON, or is torn'):
        load_predictions(path)
    with pytest.raises(FileNotFoundError, match='no.json: no such file'):
        load_predictions(tmp_path / 'no.json')


def test_a_person_without_a_box(tmp_path):
    for box in (None, [], [1, 2, 3], [[1, 2, 3, None]], 'x'):
        content = make_content([[dict(person(0, 1, 1, 1), bbox=box)]])
        assert np.isnan(tracks_of(load(content, tmp_path))[0].bboxes).all()
    content = make_content([[dict(person(0, 1, 1, 1), bbox=[1, 2, 3, 4])]])
    track = tracks_of(load(content, tmp_path))[0]
    assert track.bboxes.tolist() == [[1, 2, 3, 4]]


def test_find_predictions(tmp_path):
    with pytest.raises(FileNotFoundError, match='gone: no such folder'):
        find_predictions(tmp_path / 'gone')
    with pytest.raises(FileNotFoundError, match='has no .json file; run'):
        find_predictions(tmp_path)
    (tmp_path / '.a.json.part').write_text('')
    with pytest.raises(
        FileNotFoundError,
        match='was killed, rename .a.json.part to a.json to see',
    ):
        find_predictions(tmp_path)
    (tmp_path / 'a.json').write_text('')
    assert find_predictions(tmp_path) == tmp_path / 'a.json'
    (tmp_path / 'b.v2.json').write_text('')
    with pytest.raises(
        ValueError, match='2 .json files; choose one with --name: a, b.v2$'
    ):
        find_predictions(tmp_path)
    assert find_predictions(tmp_path, 'b.v2') == tmp_path / 'b.v2.json'
    with pytest.raises(FileNotFoundError, match='c.json: no such file'):
        find_predictions(tmp_path, 'c')


def test_write_report(tmp_path):
    path = write_report('<p>ü\udc80</p>', tmp_path / 'new' / 'a.html')
    assert path.read_bytes() == '<p>ü?</p>'.encode()
    assert [p.name for p in path.parent.iterdir()] == ['a.html']
    with pytest.raises(ValueError, match='must end in .html'):
        write_report('', tmp_path / 'a.txt')
    with pytest.raises(OSError, match='its folder is a file'):
        write_report('', path / 'b.html')


def run_chromium(path, folder, *args, window=(1280, 900)):
    """Output of headless Chromium and what the page's console said."""
    program = shutil.which('chromium')
    if program is None:
        pytest.skip('chromium is not installed (apt-get install chromium)')
    command = [
        program,
        '--headless',
        '--disable-gpu',
        '--hide-scrollbars',
        '--enable-logging=stderr',
        f'--user-data-dir={folder / "profile"}',
        f'--window-size={window[0]},{window[1]}',
        '--virtual-time-budget=5000',
        *args,
        path,
    ]
    if getattr(os, 'geteuid', int)() == 0:
        # Chromium refuses to run its sandbox for root, as in containers.
        command.insert(1, '--no-sandbox')
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120
    )
    error = done.stderr.decode(errors='replace')
    assert done.returncode == 0, error
    console = [line for line in error.splitlines() if ':CONSOLE' in line]
    return done.stdout.decode(), console


def dump_dom(path, folder, hash='', **kwargs):
    """The page after its script has run; the console must be silent."""
    text, console = run_chromium(
        f'file://{path}{hash}', folder, '--dump-dom', **kwargs
    )
    assert console == []
    page = Page(text)
    return page, page.find('html')[0]


def test_the_script_draws_in_chromium(tmp_path):
    info = load(two_people(), tmp_path)
    path = write_report(build_report(info), tmp_path / 'page.html')
    page, root = dump_dom(path, tmp_path)
    assert root['data-ready'] == 'yes'
    assert (root['data-frame'], root['data-track']) == ('0', '4')
    assert len(page.find('path', **{'class': 'curve'})) == len(JOINTS)
    # the right wrist's median is 0
    assert len(page.find('path', **{'class': 'limit'})) == 2
    bars = page.find('path', **{'class': 'here'})
    assert [bar['data-track'] for bar in bars] == ['4', '2']
    # each subpath is a stretch: 0-5 and 8-9 of person 4, 3-5 of person 2
    assert [bar['d'].count('M') for bar in bars] == [2, 1]
    # below the curves of each joint, where the estimate says occluded; and
    # in the overview, for each person
    low = [
        item['d'].count('M') for item in page.find('path', **{'class': 'low'})
    ]
    assert sorted(low) == [0, 0, 0, 2, 2]
    # The left wrist's line breaks at the damaged frame and while away.
    curves = [item['d'] for item in page.find('path', **{'class': 'curve'})]
    assert [curve.count('M') for curve in curves] == [2, 2, 2]
    assert 'frame 0 of 0 to 9, 0.00 s' in page.text('now')


def test_the_policy_refuses_other_scripts_in_chromium(tmp_path):
    """And what a console says is seen by these tests."""
    text = build_report(load(two_people(), tmp_path))
    other = '<script>document.documentElement.dataset.other = 1</script>'
    path = write_report(
        text.replace('</body>', other + '</body>'), tmp_path / 'page.html'
    )
    dom, console = run_chromium(f'file://{path}', tmp_path, '--dump-dom')
    root = Page(dom).find('html')[0]
    assert root['data-ready'] == 'yes' and 'data-other' not in root
    assert len(console) == 1 and 'Content Security Policy' in console[0]
    path = write_report(
        with_test_script(text, 'throw Error("seen")'), tmp_path / 'page.html'
    )
    _, console = run_chromium(f'file://{path}', tmp_path, '--dump-dom')
    assert len(console) == 1 and 'Error: seen' in console[0]


def test_a_link_chooses_frame_and_person_in_chromium(tmp_path):
    info = load(two_people(), tmp_path)
    path = write_report(build_report(info), tmp_path / 'page.html')
    page, root = dump_dom(path, tmp_path, '#frame=5&track=2')
    assert (root['data-frame'], root['data-track']) == ('5', '2')
    assert page.text('now').endswith('0.50 s, damaged')
    (chosen,) = page.find('tr', **{'class': 'chosen'})
    assert chosen['data-track'] == '2'
    # out of range: the last frame; no such person: the first
    _, root = dump_dom(path, tmp_path, '#frame=99&track=7')
    assert (root['data-frame'], root['data-track']) == ('9', '4')


def test_a_long_video_in_chromium(tmp_path):
    """Curves are thinned out, but a dip of one frame stays visible."""
    frames = [[person(0, 0.2 if f == 3333 else 0.8, 0.8)] for f in range(6000)]
    info = load(make_content(frames, joints=['a', 'b']), tmp_path)
    path = write_report(build_report(info), tmp_path / 'page.html')
    page, _ = dump_dom(path, tmp_path, '#frame=3333')
    dip, flat = (item['d'] for item in page.find('path', **{'class': 'curve'}))
    assert len(re.findall('[ML]', dip)) < 2000
    heights = [
        sorted(set(map(float, re.findall(r'[ML][0-9.]+ ([0-9.]+)', d))))
        for d in (dip, flat)
    ]
    assert len(heights[0]) == 2 and len(heights[1]) == 1
    # 0.6 of 0 to 0.8, of a row of 38 pixels less 6
    assert heights[0][1] - heights[0][0] == pytest.approx(
        0.6 / 0.8 * 32, abs=0.02
    )
    (low,) = [
        item['d']
        for item in page.find('path', **{'class': 'low'})
        if item['d'].count('M') and 'v14' not in item['d']
    ]
    assert 'h1.00v38' in low, 'a pixel wide at least'
    assert 'frame 3333 of 0 to 5999' in page.text('now')


def with_test_script(text, script):
    """A page that runs a test's script too, which its policy would not."""
    text = re.sub('<meta http-equiv=[^>]*>', '', text)
    return text.replace('</body>', f'<script>{script}</script></body>')


SEEKS = """
const video = document.getElementById('video'), seen = [];
function go() {
  for (let f = 0; f < 10; f++) {
    const step = new KeyboardEvent('keydown', {key: 'ArrowRight'});
    seen.push(video.currentTime);
    document.getElementById('chart').dispatchEvent(step);
  }
  document.documentElement.dataset.seen = seen.join(' ');
  video.currentTime = 1.72;
}
if (video.readyState) go();
else video.addEventListener('loadedmetadata', go);
"""


def test_frames_at_their_own_times_in_chromium(tmp_path):
    """At 30 frames a second but for a pause of a second and a half, so that
    the mean rate is 5: a frame is gone to in the middle of its time, and what
    is seen at 1.72 s is frame 6.
    """
    pytest.importorskip('av', reason='PyAV is not installed')
    from rpstn_mmpose.visualization import VideoWriter

    times = [f / 30 + 1.5 * (f > 5) for f in range(10)]
    content = two_people()
    content['meta_info']['video']['fps'] = 5
    for record, time in zip(content['instance_info'], times):
        record['time'] = round(time, 6)
    info = load(content, tmp_path)
    found = read_times(tmp_path / 'clip.json')
    np.testing.assert_allclose(found, times, atol=1e-6)
    with VideoWriter(tmp_path / 'clip.mp4', fps=5) as writer:
        for f, time in enumerate(times):
            writer.write(np.full((64, 96, 3), 25 * f, np.uint8), time)
    path = tmp_path / 'page.html'
    source = video_source(tmp_path / 'clip.mp4', path)
    text = build_report(info, *source, times=found)
    write_report(with_test_script(text, SEEKS), path)
    page, root = dump_dom(path, tmp_path)
    _, *seen = map(float, root['data-seen'].split())
    ends = [*times[1:], times[-1] + 1 / 5]
    middles = [(a + b) / 2 for a, b in zip(times, ends)]
    np.testing.assert_allclose(seen, middles[1:], atol=1e-4)
    assert root['data-frame'] == '6'
    assert 'frame 6 of 0 to 9, 1.70 s' in page.text('now')


@pytest.mark.parametrize('time', [None, 'x', 0.1, float('nan')])
def test_times_that_are_not_told(tmp_path, time):
    """Missing, no number, or not after the frame before."""
    content = two_people()
    for frame, record in enumerate(content['instance_info']):
        record['time'] = frame / 10
    content['instance_info'][3]['time'] = time
    load(content, tmp_path)
    assert read_times(tmp_path / 'clip.json') is None
    del content['instance_info'][3]['time']
    load(content, tmp_path)
    assert read_times(tmp_path / 'clip.json') is None


CLICKS = """
function click(id, x, y) {
  const box = document.getElementById(id).getBoundingClientRect();
  document.getElementById(id).dispatchEvent(new MouseEvent('click', {
    clientX: box.left + x * box.width, clientY: box.top + y, bubbles: true}));
}
const seen = [], video = document.getElementById('video');
function note() {
  const d = document.documentElement.dataset;
  seen.push(d.track + ':' + d.frame + '@' + video.currentTime.toFixed(2));
}
function go() {
  const chart = document.getElementById('chart');
  click('chart', 0.999, 50); note();
  click('chart', 0, 50); note();
  click('overview', 0.5, 30); note();
  chart.dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowRight'}));
  note();
  document.documentElement.dataset.seen = seen.join(' ');
}
if (video.readyState) go();
else video.addEventListener('loadedmetadata', go);
"""


def test_clicks_seek_in_chromium(tmp_path):
    pytest.importorskip('av', reason='PyAV is not installed')
    from rpstn_mmpose.visualization import VideoWriter

    video = tmp_path / 'clip.mp4'
    with VideoWriter(video, fps=10) as writer:
        for f in range(10):
            writer.write(np.full((64, 96, 3), 25 * f, np.uint8))
    info = load(two_people(), tmp_path)
    path = tmp_path / 'sub' / 'page.html'
    for limit in (20, 0):
        text = build_report(info, *video_source(video, path, limit=limit))
        write_report(text, path)
        # As it is, policy and all: the video can be had.
        _, root = dump_dom(path, tmp_path)
        assert root['data-video'] == '96x64', limit
        write_report(with_test_script(text, CLICKS), path)
        _, root = dump_dom(path, tmp_path)
        # The chart of person 4 ends at frame 9 and begins at frame 0. The
        # second row of the overview is person 2; its bars begin at x = 46
        # and end 8 before the right edge, so that the middle of the whole
        # is frame 4 of 0-9. The video shows the middle of the frame.
        assert root['data-seen'] == '4:9@0.95 4:0@0.05 2:4@0.45 2:5@0.55'


def test_a_video_that_does_not_play_is_said_in_chromium(tmp_path):
    info = load(two_people(), tmp_path)
    (tmp_path / 'clip.mp4').write_bytes(b'no video' * 100)
    path = tmp_path / 'page.html'
    write_report(
        build_report(info, *video_source(tmp_path / 'clip.mp4', path)), path
    )
    page, root = dump_dom(path, tmp_path)
    assert root['data-video'] == 'error' and root['data-ready'] == 'yes'
    assert 'hidden' not in page.find('p', id='broken')[0]


def test_names_stay_text_in_chromium(tmp_path):
    path = write_report(nasty_page(tmp_path), tmp_path / 'page.html')
    # A silent console: there was no script that had to be refused.
    page, root = dump_dom(path, tmp_path)
    assert root['data-ready'] == 'yes'
    assert [item.get('id') for item in page.find('img')] == ['relation-image']
    # The joint's name, which is cut in the chart, is whole in its title.
    assert page.texts['chart'].count(NASTY) == 2


@pytest.mark.parametrize('window', [(1280, 1500), (390, 2400)])
def test_a_picture_of_the_page_from_chromium(tmp_path, window):
    """No scrolling to the side, and something is drawn, also in the dark."""
    import cv2

    joints = [f'joint_{k}' for k in range(13)]
    frames = [[person(p, *np.linspace(0.2, 0.9, 13)) for p in range(3)]] * 50
    text = build_report(load(make_content(frames, joints=joints), tmp_path))
    script = (
        'document.documentElement.dataset.width = '
        'document.documentElement.scrollWidth - innerWidth;'
    )
    path = write_report(with_test_script(text, script), tmp_path / 'p.html')
    _, root = dump_dom(path, tmp_path, window=window)
    assert root['data-width'] == '0'
    means = []
    for scheme in (1, 0):
        picture = tmp_path / f'{scheme}.png'
        _, console = run_chromium(
            f'file://{path}',
            tmp_path,
            f'--screenshot={picture}',
            f'--blink-settings=preferredColorScheme={scheme}',
            window=window,
        )
        image = cv2.imread(str(picture))
        assert console == [] and image.shape[:2] == window[::-1]
        assert image.std() > 10
        means.append(image.mean())
    assert means[0] > 200 > 60 > means[1]
