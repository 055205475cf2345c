# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Made-up results of runs, in the form of run_ablation's result.json."""

from rpstn_mmpose.evaluation import group_pck, joint_groups

SIDED = ('shoulder', 'elbow', 'wrist', 'hip', 'knee', 'ankle')
NAMES = ['head'] + [
    f'{side}_{part}' for part in SIDED for side in ('left', 'right')
]
THRESHOLDS = [0.1, 0.2, 0.5]


def make_pck(correct, total=1000, thr=0.2, kinds=()):
    """What ClipPCK writes.

    Args:
        correct: ``correct(kind, name, threshold)``, of ``total`` joints.
        total: A number, or ``total(kind, name)``.
        thr: The main threshold, one of ``THRESHOLDS``.
        kinds: Of hidden joints that it tells of, too.
    """
    norm = dict(left_out=0, joints={name: {} for name in NAMES})
    for kind in ('visible', 'occluded', *kinds):
        totals = [
            total(kind, name) if callable(total) else total for name in NAMES
        ]
        rows = {
            t: [
                min(n, round(correct(kind, name, t)))
                for name, n in zip(NAMES, totals)
            ]
            for t in THRESHOLDS
        }
        scores = {
            t: {
                column: None if value != value else 100 * value
                for column, value in group_pck(
                    row, totals, joint_groups(NAMES)
                ).items()
            }
            for t, row in rows.items()
        }
        norm[kind] = dict(
            scores=scores[thr],
            sweep={c: [scores[t][c] for t in THRESHOLDS] for c in scores[thr]},
            auc=50.0,
        )
        for i, name in enumerate(NAMES):
            norm['joints'][name][kind] = dict(
                correct=rows[thr][i],
                total=totals[i],
                sweep_correct=[rows[t][i] for t in THRESHOLDS],
            )
    return dict(
        thr=thr,
        thresholds=THRESHOLDS,
        keypoint_names=NAMES,
        frames=100,
        norms=dict(torso=norm),
    )


def make_record(
    config, seed, visible=80.0, occluded=50.0, hidden=None, **changes
):
    """A run of which every joint has these per cents at 0.2; ``hidden``:
    per cents by kind of hidden joints."""
    hidden = hidden or {}
    level = dict(visible=visible, occluded=occluded, **hidden)

    def correct(kind, name, threshold):
        return 10 * level[kind] * min(5 * threshold, 1.1)

    record = dict(
        config=config,
        seed=seed,
        settings=f'settings of {config}',
        data='data',
        params=2_500_000,
        gmacs_per_frame=0.25,
        train_seconds=100.0,
        train_seconds_total=100.0,
        frame_passes=24000,
        frame_passes_total=24000,
        torch_threads=2,
        cpu='A CPU',
        device='cpu',
        pck=make_pck(correct, kinds=hidden),
    )
    record.update(changes)
    return record
