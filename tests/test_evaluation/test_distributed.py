# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Two real processes: the score must not depend on how clips are dealt."""
import multiprocessing
import os

import pytest
import torch.distributed as dist
from mmengine.dataset import DefaultSampler
from mmengine.evaluator import Evaluator
from mmpose.evaluation.metrics import PCKAccuracy

from rpstn_mmpose.evaluation import ClipPCK, PerFrameMetric
from tests.test_evaluation.samples import META, clip


def evaluate():
    """Score three clips, so that two ranks need one clip of padding.

    Wanted frames: 3, 1 and 2; all wrong in the first clip, right in the
    others: 3 of 6 correct. Counting the padding (the first clip) twice would
    give 3 of 9, cutting frames to the number of clips fewer than 6.
    """
    clips = [
        clip(0, num=3, first_frame=1, shift=200.),
        clip(1, num=3, first_frame=4, mask=[0, 0, 1]),
        clip(2, num=3, first_frame=7, mask=[1, 0, 1])
    ]
    evaluator = Evaluator(
        [ClipPCK(),
         PerFrameMetric(PCKAccuracy(thr=0.2, prefix='stock'))])
    evaluator.dataset_meta = META
    dealt = list(DefaultSampler(clips, shuffle=False))
    for index in dealt:
        evaluator.process([clips[index]])
    result = evaluator.evaluate(len(clips))
    return dealt, result['PCK/mPCK'], float(result['stock/PCK'])


def _rank(rank, folder, queue):
    os.chdir(folder)  # mmengine exchanges results in ./.dist_test
    dist.init_process_group(
        'gloo', init_method=f'file://{folder}/store', rank=rank, world_size=2)
    try:
        queue.put((rank, evaluate()))
    finally:
        dist.destroy_process_group()


@pytest.mark.skipif(
    'fork' not in multiprocessing.get_all_start_methods()
    or not dist.is_gloo_available(),
    reason='needs forked processes and the gloo backend')
def test_score_does_not_depend_on_the_number_of_ranks(tmp_path):
    assert evaluate() == ([0, 1, 2], pytest.approx(50), 0.5)

    context = multiprocessing.get_context('fork')
    queue = context.Queue()
    ranks = [
        context.Process(target=_rank, args=(rank, str(tmp_path), queue))
        for rank in range(2)
    ]
    for process in ranks:
        process.start()
    results = dict(queue.get(timeout=120) for _ in ranks)
    for process in ranks:
        process.join(timeout=60)
        assert process.exitcode == 0
    for rank, dealt in ((0, [0, 2]), (1, [1, 0])):
        assert results[rank] == (dealt, pytest.approx(50), 0.5)
