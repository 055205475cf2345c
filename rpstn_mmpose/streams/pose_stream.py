# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from typing import Any, NamedTuple, Sequence

import torch
from mmengine.dataset import pseudo_collate
from mmpose.utils.typing import SampleList
from torch import nn

COLLAPSE_RATIO = 0.5
MAX_GAP = 2


class FramePoses(NamedTuple):
    """The poses of a frame, when they are done.

    Attributes:
        frame: Number of the frame since the stream's start, from 0.
        person_ids: N ids.
        samples: N samples with ``pred_instances`` of one row, in pixels of
            the frame.
    """

    frame: int
    person_ids: list[int]
    samples: SampleList


class PoseStream:
    """A pose estimator on one frame after the other, for all people.

    Every frame comes out once, in order, :attr:`delay` frames after it went
    in; :meth:`flush` gives what is still inside.

    Args:
        model (nn.Module): In evaluation mode.

    Attributes:
        delay: Frames that have to come in before a frame's poses are done.
        needs_ids: Whether a person must keep an id from frame to frame.
        takes_clips: Whether the model takes clips, not images.
    """

    delay = 0
    needs_ids = False

    def __init__(self, model: nn.Module) -> None:
        self.model: Any = model
        self.takes_clips = hasattr(model, 'output_rows')
        self.reset()

    def reset(self) -> None:
        """Forget everybody; the next frame is the first of a video."""
        self._frame = -1

    def push(
        self, data: Sequence[dict], person_ids: Sequence[int]
    ) -> list[FramePoses]:
        """Take the next frame's people.

        Args:
            data (Sequence[dict]): N packed crops, as the pipeline of
                :func:`~rpstn_mmpose.apis.frame_pipeline` makes them:
                ``inputs`` 3 x H x W and ``data_samples``.
            person_ids (Sequence[int]): N different ones.

        Returns:
            list[FramePoses]: The frames that are done by now.

        Raises:
            ValueError: Another number of ids than of crops, or an id that
                comes twice.
        """
        ids = [int(person_id) for person_id in person_ids]
        samples = self.predict(data, ids)
        return [FramePoses(self._frame, ids, samples)]

    def predict(
        self, data: Sequence[dict], person_ids: Sequence[int]
    ) -> SampleList:
        """Keypoints of the next frame's people, of a stream without delay.

        Args:
            data (Sequence[dict]): See :meth:`push`.
            person_ids (Sequence[int]): See :meth:`push`.

        Returns:
            list[PoseDataSample]: With ``pred_instances`` of one row in
            pixels of the frame, as from the model's ``test_step``.

        Raises:
            ValueError: A stream whose poses may come later.
        """
        raise ValueError(
            f'{type(self).__name__} gives the poses of a frame {self.delay} '
            'frames later: use push and flush'
        )

    def skip_frame(self) -> list[FramePoses]:
        """Pass a frame without people, or one that cannot be used."""
        self._frame += 1
        return [FramePoses(self._frame, [], [])]

    def flush(self) -> list[FramePoses]:
        """The frames that are still inside; the video is over."""
        return []

    def prepare(self) -> None:
        """Do now what the next frame needs of the last one alone.

        For live video: called between a frame's poses and the next frame,
        while the camera takes that. Nothing else changes. It may be left
        out, or called more than once.
        """

    def checked(
        self, data: Sequence[dict], person_ids: Sequence[int]
    ) -> Sequence[dict]:
        """The crops as the model takes them, a clip of one frame each."""
        if len(data) != len(person_ids):
            raise ValueError(
                f'{type(self).__name__}: {len(data)} crops need as many ids, '
                f'but got {len(person_ids)}'
            )
        if not self.takes_clips:
            return data
        return [dict(item, inputs=item['inputs'][None]) for item in data]


class FrameStream(PoseStream):
    """Models whose frames do not depend on each other.

    MMPose's image models, and estimators of clips without a state.

    Args:
        model (nn.Module): In evaluation mode.
        reset_interval, collapse_ratio, max_gap, compile: See
            :class:`RecurrentStream`; only their defaults are taken.

    Raises:
        ValueError: An option of a state, which there is none of.
    """

    def __init__(self, model: nn.Module, **options: Any) -> None:
        refuse_state_options(type(self).__name__, model, options)
        super().__init__(model)

    @torch.no_grad()
    def predict(
        self, data: Sequence[dict], person_ids: Sequence[int]
    ) -> SampleList:
        """See :class:`PoseStream`."""
        data = self.checked(data, person_ids)
        self._frame += 1
        if not len(data):
            return []
        return self.model.test_step(pseudo_collate(list(data)))


def refuse_state_options(
    name: str, model: nn.Module, options: dict[str, Any], why: str = ''
) -> None:
    """Refuse options that would do nothing without a state.

    Args:
        name: Of the stream's class.
        model: Of the stream.
        options: By name; those that have their defaults pass.
        why: They do nothing. By default, that the model has no state.

    Raises:
        ValueError: Names the option.
    """
    idle = dict(
        reset_interval=(None, 0),
        collapse_ratio=(None, COLLAPSE_RATIO),
        max_gap=(MAX_GAP,),
        compile=(False,),
    )
    for option, value in options.items():
        if value not in idle[option]:
            why = why or (
                'is for models that carry a state from frame to frame, and '
                f'this {type(model).__name__} has none'
            )
            raise ValueError(f'{name}: {option} {why}; leave it out')


def stream_class(model: nn.Module) -> type[PoseStream]:
    """The class of stream that a model tells by its ``kind``.

    Args:
        model (nn.Module): An estimator of images, clips or windows.

    Raises:
        ValueError: A lifter or a refiner, which take poses.
    """
    from .recurrent_stream import RecurrentStream
    from .window_stream import WindowStream

    kind = getattr(model, 'kind', '')
    if kind == 'recurrent' and getattr(model, 'carries_state', False):
        return RecurrentStream
    if kind == 'window':
        return WindowStream
    if kind == 'lifter':
        raise ValueError(
            f'{type(model).__name__} lifts 2D poses and takes no crops; give '
            'it beside a 2D model, as the lifter'
        )
    if kind == 'refiner':
        raise ValueError(
            f'{type(model).__name__} refines poses; give it beside a 2D '
            'model, as the refiner'
        )
    return FrameStream


def make_stream(
    model: Any, lookahead: int | None = None, **options: Any
) -> PoseStream:
    """Run a model frame by frame.

    Args:
        model (nn.Module): In evaluation mode.
        lookahead (int, optional): Frames to come that the memory of an image
            model reads, too: see
            :class:`~rpstn_mmpose.streams.LookaheadStream`.
        options: Of the stream's class.

    Raises:
        ValueError: See :func:`stream_class` and the classes; a lookahead
            without such a memory.
    """
    if not lookahead:
        return stream_class(model)(model, **options)
    from .lookahead_stream import LookaheadStream

    if not getattr(model, 'looks_ahead', False):
        raise ValueError(
            f'lookahead is for the memory of an image model, and this is a '
            f'{type(model).__name__}; give memory, or leave it out'
        )
    return LookaheadStream(model, lookahead, **options)
