# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""PoseTrack's official figures once more, from the rules, as plain loops.

Nothing of the package is used here. The rules are those of the program
leonid-pishchulin/poseval with py-motmetrics 1.2 to 1.4, on PoseTrack18's
files. Two things are asked of libraries, as there, because they decide
between equals: numpy's ``argsort`` and scipy's assignment.
"""

import math

import numpy as np
from scipy.optimize import linear_sum_assignment

# The program's order, by the names that the files have.
FILE_JOINTS = (
    'right_ankle',
    'right_knee',
    'right_hip',
    'left_hip',
    'left_knee',
    'left_ankle',
    'right_wrist',
    'right_elbow',
    'right_shoulder',
    'left_shoulder',
    'left_elbow',
    'left_wrist',
    'head_bottom',
    'nose',
    'head_top',
)
NAMES = [{'head_bottom': 'neck'}.get(name, name) for name in FILE_JOINTS]
THRESHOLD = 0.5


def official_ap(gt, pred):
    """``ap``, ``pre`` and ``rec`` by joint and ``total``, per cent."""
    frames = [frame for video in videos(gt, pred) for frame in video]
    result = dict(ap=[], pre=[], rec=[])
    for joint in range(15):
        number, scores, labels = 0, [], []
        for truth, guesses in frames:
            number += sum(joint in person['points'] for person in truth)
            winner_of = paired(truth, guesses)
            for g, guess in enumerate(guesses):
                if joint in guess['points']:
                    person = winner_of.get(g)
                    scores.append(guess['scores'][joint])
                    labels.append(
                        person is not None and fits(person, guess, joint)
                    )
        for key, value in zip(result, curve(scores, labels, number)):
            result[key].append(100 * value)
    return by_joint(result)


def official_mot(gt, pred):
    """``mota``, ``motp``, ``pre`` and ``rec``, in the same way."""
    sequences = videos(gt, pred)
    result = dict(mota=[], motp=[], pre=[], rec=[])
    for joint in range(15):
        events = []
        for video in sequences:
            events += joint_events(video[:-1], joint)
        for key, value in zip(result, mot_scores(events)):
            result[key].append(100 * value)
    return by_joint(result)


def by_joint(result):
    """With the mean of the joints that have a value."""
    table = {}
    for key, values in result.items():
        known = [value for value in values if not math.isnan(value)]
        table[key] = dict(zip(NAMES, values))
        table[key]['total'] = (
            sum(known) / len(known) if known else float('nan')
        )
    return table


def videos(gt, pred):
    """Frames (truth, predictions) of each sequence, as they are evaluated."""
    result = []
    for file in sorted(gt):
        folders = {}
        for entry in gt[file]['images']:
            # Of several entries with an id the first is found.
            image = next(
                i for i in gt[file]['images'] if i['id'] == entry['id']
            )
            folder = image.get('file_name', '').rpartition('/')[0]
            truth = people_of(gt[file], image['id'])
            guesses = people_of(pred[file], image['id'])
            if truth:  # before anything is ignored
                folders.setdefault(folder, []).append(
                    not_ignored(image, truth, guesses)
                )
        result += folders.values()
    return result


def people_of(content, image_id):
    names = content['categories'][0]['keypoints']
    people = []
    for annotation in content['annotations']:
        if annotation['image_id'] != image_id:
            continue
        person = dict(track=annotation['track_id'], points={}, scores={})
        if 'bbox_head' in annotation:
            x, y, width, height = annotation['bbox_head']
            person['head'] = 0.6 * math.hypot(x + width - x, y + height - y)
        for j, name in enumerate(FILE_JOINTS):
            i = names.index(name)
            x, y, flag = annotation['keypoints'][3 * i : 3 * i + 3]
            if (x, y, flag) == (0, 0, 0):
                continue
            person['points'][j] = (x, y)
            person['scores'][j] = -9999.0
            if annotation.get('scores'):
                person['scores'][j] = annotation['scores'][i]
        people.append(person)
    return people


def not_ignored(image, truth, guesses):
    """Only where there is a region are people without a joint dropped."""
    regions = list(
        zip(
            image.get('ignore_regions_x', []),
            image.get('ignore_regions_y', []),
        )
    )
    if not regions:
        return truth, guesses
    kept = []
    for people in (truth, guesses):
        for person in people:
            person['points'] = {
                joint: point
                for joint, point in person['points'].items()
                if not any(contains(*region, *point) for region in regions)
            }
        kept.append([person for person in people if person['points']])
    return tuple(kept)


def contains(xs, ys, x, y):
    """Whether a point is inside of a polygon, not on its border."""
    crossings = 0
    for i in range(len(xs)):
        ax, ay, bx, by = xs[i - 1], ys[i - 1], xs[i], ys[i]
        if (ax, ay) == (bx, by):
            continue
        if (
            (bx - ax) * (y - ay) == (by - ay) * (x - ax)
            and min(ax, bx) <= x <= max(ax, bx)
            and min(ay, by) <= y <= max(ay, by)
        ):
            return False
        # The edges below the point.
        if (ax <= x < bx or bx <= x < ax) and (
            ay + (by - ay) * (x - ax) / (bx - ax) < y
        ):
            crossings += 1
    return crossings % 2 == 1


def distance(person, guess, joint):
    """In head sizes; infinite where a joint or the head is missing."""
    if (
        joint not in person['points']
        or joint not in guess['points']
        or person['head'] == 0
    ):
        return math.inf
    return (
        math.dist(person['points'][joint], guess['points'][joint])
        / person['head']
    )


def fits(person, guess, joint):
    return distance(person, guess, joint) <= THRESHOLD


def paired(truth, guesses):
    """The true person of each prediction that has one, by its place."""
    parts = []
    for guess in guesses:
        row = []
        for person in truth:
            right = sum(fits(person, guess, joint) for joint in range(15))
            row.append(right / len(person['points']) if right else 0.0)
        # Its best person alone; of equals the first.
        best = row.index(max(row)) if row else None
        parts.append(
            [part if t == best else 0.0 for t, part in enumerate(row)]
        )
    winner_of = {}
    for t, person in enumerate(truth):
        column = [row[t] for row in parts]
        if column and max(column) > 0:
            winner_of[column.index(max(column))] = person
    return winner_of


def curve(scores, labels, number):
    """AP, precision and recall."""
    if not scores:
        return 0.0, 0.0, 0.0
    precision, recall, right = [], [], 0
    for rank, i in enumerate(np.array(scores).argsort()[::-1], start=1):
        right += labels[i]
        precision.append(right / rank)
        recall.append(right / number if number else float('nan'))
    if not number:
        return float('nan'), precision[-1], float('nan')
    area, before = 0.0, 0.0
    for i, value in enumerate(recall):
        area += (value - before) * max(precision[i:])
        before = value
    return area, precision[-1], recall[-1]


def joint_events(frames, joint):
    """What py-motmetrics lists: (kind, distance), of one sequence."""
    events = []
    track_of = {}  # by person: the track of the last match
    owner_of = {}  # by track: the person it was last newly matched with
    for truth, guesses in frames:
        events.append(('FRAME', 0))
        if not truth or not guesses:
            events += [('MISS', 0), ('FALSE', 0)]
            continue
        truth = [person for person in truth if joint in person['points']]
        guesses = [guess for guess in guesses if joint in guess['points']]
        near = {
            (t, g): distance(person, guess, joint)
            for t, person in enumerate(truth)
            for g, guess in enumerate(guesses)
            if fits(person, guess, joint)
        }
        events += [('NEAR', value) for value in near.values()]
        matched = {}
        for t, person in enumerate(truth):
            for g, guess in enumerate(guesses):
                if (
                    guess['track'] == track_of.get(person['track'])
                    and (t, g) in near
                    and g not in matched.values()
                ):
                    matched[t] = g
                    events.append(('MATCH', near[t, g]))
        for t, g in assigned(near, matched, len(truth), len(guesses)):
            person, track = truth[t]['track'], guesses[g]['track']
            kinds = ['MATCH']
            if track_of.get(person, track) != track:
                kinds = ['SWITCH']
                if track not in owner_of:
                    kinds.append('ASCEND')
            if owner_of.get(track, person) != person:
                kinds.append('TRANSFER')
                if person not in track_of:
                    kinds.append('MIGRATE')
            events += [(kind, near[t, g]) for kind in kinds]
            track_of[person], owner_of[track] = track, person
            matched[t] = g
        events += [('MISS', 0)] * (len(truth) - len(matched))
        events += [('FALSE', 0)] * (len(guesses) - len(matched))
    return events


def assigned(near, matched, rows, columns):
    """The cheapest pairs of those that are not matched yet."""
    left = {
        (t, g): value
        for (t, g), value in near.items()
        if t not in matched and g not in matched.values()
    }
    if not left:
        return []
    expensive = 2 * min(rows, columns) * (max(left.values()) + 1) + 1
    costs = np.full((rows, columns), expensive)
    for pair, value in left.items():
        costs[pair] = value
    return [
        pair
        for pair in zip(*map(list, linear_sum_assignment(costs)))
        if pair in left
    ]


def mot_scores(events):
    """MOTA, MOTP, precision and recall; without a frame none."""
    nan = float('nan')
    if not events:
        return nan, nan, nan, nan
    kinds = [kind for kind, _ in events]
    matches = kinds.count('MATCH') + kinds.count('SWITCH')
    misses, false = kinds.count('MISS'), kinds.count('FALSE')
    objects = matches + misses
    mota = recall = precision = nan
    if objects:
        mota = 1 - (misses + false + kinds.count('SWITCH')) / objects
        recall = matches / objects
    if matches + false:
        precision = matches / (matches + false)
    motp = 0.0
    if matches:
        motp = 1 - sum(value for _, value in events) / matches
    return mota, motp, precision, recall
