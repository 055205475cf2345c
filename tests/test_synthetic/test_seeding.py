# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import itertools

from rpstn_mmpose.synthetic.seeding import (
    SPLITS,
    STREAMS,
    open_stream,
    stream,
    stream_id,
)


def test_every_split_video_purpose_and_part_has_its_own_stream():
    names = {
        stream_id(stream(seed, split, video, purpose, part))
        for seed, split, video, purpose, part in itertools.product(
            range(2), SPLITS, range(40), STREAMS, range(3)
        )
    }
    assert len(names) == 2 * len(SPLITS) * 40 * len(STREAMS) * 3


def test_a_stream_does_not_depend_on_what_was_drawn_before():
    first, name = open_stream(3, 'test', 7, 'motion')
    first = first.random(4)
    open_stream(3, 'test', 6, 'motion')[0].random(100)
    second, again = open_stream(3, 'test', 7, 'motion')
    assert name == again
    assert (first == second.random(4)).all()
