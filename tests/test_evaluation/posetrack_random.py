# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Random PoseTrack18 files with everything in them that has a rule."""

from tests.test_evaluation.posetrack_files import JOINTS

# Whole numbers, of which many are at the same distance; a head of 60 x 80 is
# 60 pixels in size, so that 30 pixels (18, 24) are just near enough.
STEPS = (
    (0, 0),
    (3, 4),
    (-3, 4),
    (15, 0),
    (0, -15),
    (18, 24),
    (-18, 24),
    (30, 0),
    (18, 25),
    (31, 0),
    (90, 90),
)
HEADS = ((0, 0, 60, 80), (7, 9, 60, 80), (0, 0, 30, 40), (5, 5, 0, 80))
WHOLE = ([-5, 2000, 2000, -5], [-5, -5, 2000, 2000])
REGIONS = (
    ([300, 600, 600, 300], [0, 0, 900, 900]),
    ([200, 700, 450], [100, 120, 480]),
    ([0, 400, 400, 200, 200, 0], [50, 50, 250, 250, 500, 500]),
    ([], []),
)


def random_contents(rng):
    """Truth and predictions by file name, of one to three files.

    Args:
        rng: ``numpy.random.Generator``.
    """
    joints = list(JOINTS)
    if rng.random() < 0.3:  # the ears are not evaluated, the order is free
        joints = [joint for joint in JOINTS if 'ear' not in joint]
        rng.shuffle(joints)
    # Some joints nobody has, some nobody finds.
    gone = set(rng.choice(JOINTS, rng.integers(0, 3)))
    lost = set(rng.choice(JOINTS, rng.integers(0, 3)))
    odds = dict(
        scored=rng.choice([0.0, 0.7, 1.0]),
        found=rng.choice([0.4, 0.8, 1.0]),
        switch=rng.choice([0.0, 0.1, 0.5]),
        region=rng.choice([0.0, 0.5]),
    )
    truth, pred = {}, {}
    for number in range(rng.integers(1, 4)):
        name = f'{number:06d}_made_up.json'
        truth[name], pred[name] = _file(rng, number, joints, gone, lost, odds)
    return truth, pred


def _file(rng, number, joints, gone, lost, odds):
    images, people, guesses = [], [], []
    tracks = _walks(rng, joints)
    for frame in range(rng.integers(2, 7)):
        image = dict(
            id=1000 * number + frame,
            file_name=f'images/val/{number:06d}_made_up/{frame:06d}.jpg',
            **_regions(rng, odds['region']),
        )
        images.append(image)
        there = [track for track in tracks if rng.random() < 0.8]
        if rng.random() < 0.1:
            there = []
        if there and rng.random() < 0.1:
            there.append(there[0])  # a true id twice
        truth = [
            _true_person(rng, image, track, tracks[track][frame], joints, gone)
            for track in there
        ]
        people += truth
        if rng.random() < 0.85:
            guesses += _guesses(rng, image, truth, joints, lost, odds)
    if rng.random() < 0.2:  # an image that is listed twice
        images.insert(
            rng.integers(len(images) + 1),
            dict(images[rng.integers(len(images))]),
        )
    if rng.random() < 0.3:  # the order is free
        for side in (people, guesses):
            rng.shuffle(side)
    categories = [dict(id=1, name='person', keypoints=joints)]
    plain = [
        dict(id=image['id'], file_name=image['file_name']) for image in images
    ]
    return (
        dict(images=images, annotations=people, categories=categories),
        dict(images=plain, annotations=guesses, categories=categories),
    )


def _walks(rng, joints):
    """Places of up to four people's joints by track id, by frame."""
    walks = {}
    for track in rng.permutation(6)[: rng.integers(1, 5)].tolist():
        place = rng.integers(0, 12, (len(joints), 2)) * 40
        if walks and rng.random() < 0.4:  # close to somebody else
            other = next(iter(walks.values()))[0]
            place = other + rng.integers(-1, 2, other.shape) * 15
        walks[track] = [place + 15 * frame for frame in range(6)]
    return walks


def _regions(rng, odds):
    if rng.random() >= odds:
        return rng.choice([{}, dict(ignore_regions_x=[], ignore_regions_y=[])])
    chosen = [REGIONS[i] for i in rng.permutation(4)[: rng.integers(1, 3)]]
    if rng.random() < 0.3:
        chosen.append(WHOLE)
    return dict(
        ignore_regions_x=[list(region[0]) for region in chosen],
        ignore_regions_y=[list(region[1]) for region in chosen],
    )


def _true_person(rng, image, track, places, joints, gone):
    keypoints = []
    empty = rng.random() < 0.08
    for joint, (x, y) in zip(joints, places.tolist()):
        kind = rng.random()
        if empty or joint in gone or kind < 0.15:
            keypoints += [0, 0, 0]
        elif kind < 0.2:
            keypoints += [0, 0, 1]  # in the picture's corner
        else:
            keypoints += [x, y, int(kind < 0.9)]
    return dict(
        image_id=image['id'],
        track_id=track,
        keypoints=keypoints,
        bbox_head=list(HEADS[0 if rng.random() < 0.7 else rng.integers(4)]),
    )


def _guesses(rng, image, truth, joints, lost, odds):
    """A prediction of most people, beside some, and of nobody."""
    found = []
    for person in truth:
        while rng.random() < odds['found'] / (1 + len(found) // 4):
            found.append(_guess(rng, image, person, joints, lost, odds))
            if rng.random() < 0.7:
                break
    if rng.random() < 0.2 and truth:
        found.append(_guess(rng, image, truth[0], joints, JOINTS, odds))
    rng.shuffle(found)
    ids = set()
    for guess in found:  # no id twice
        while guess['track_id'] in ids:
            guess['track_id'] = int(rng.integers(0, 12))
        ids.add(guess['track_id'])
    return found


def _guess(rng, image, person, joints, lost, odds):
    keypoints = []
    whole = STEPS[rng.integers(len(STEPS))]
    for i, joint in enumerate(joints):
        x, y, flag = person['keypoints'][3 * i : 3 * i + 3]
        dx, dy = (
            whole if rng.random() < 0.6 else STEPS[rng.integers(len(STEPS))]
        )
        if joint in lost or rng.random() < 0.1:
            keypoints += [0, 0, 0]
        elif (x, y, flag) == (0, 0, 0):
            keypoints += [100 + dx, 100 + dy, 1]
        else:
            keypoints += [x + dx, y + dy, int(rng.integers(2))]
    track = person['track_id']
    if rng.random() < odds['switch']:
        track = int(rng.integers(0, 12))
    guess = dict(image_id=image['id'], track_id=track, keypoints=keypoints)
    if rng.random() < odds['scored']:
        # Few values, so that many are equal.
        guess['scores'] = (rng.integers(0, 5, len(joints)) / 4).tolist()
    elif rng.random() < 0.5:
        guess['scores'] = []
    return guess
