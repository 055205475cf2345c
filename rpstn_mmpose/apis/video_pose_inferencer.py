# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Video in, tracked poses out, one frame at a time."""
from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import (
    Any,
    Callable,
    Dict,
    Iterator,
    List,
    Mapping,
    Optional,
    Sequence,
    Tuple,
    Union,
)

import numpy as np
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.logging import print_log
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData
from mmpose.apis.inferencers.base_mmpose_inferencer import BaseMMPoseInferencer
from mmpose.datasets.datasets.utils import parse_pose_metainfo
from mmpose.registry import DATASETS, INFERENCERS, TASK_UTILS
from mmpose.structures import (
    PoseDataSample,
    merge_data_samples,
    split_instances,
)
from torch import nn

from ..datasets.metainfo import resolve_metainfo_file
from ..recipes import config_path
from ..speed.fast_inference import DTYPES, optimize_for_inference
from ..streams import make_stream
from ..streams.pose_stream import COLLAPSE_RATIO, MAX_GAP
from ..visualization import VideoWriter, check_output_path
from .crop_pipeline import frame_pipeline
from .people_drawing import draw_people
from .person_detector import PersonDetector, load_matching_weights
from .prediction_writer import PredictionWriter, to_plain
from .tracking import BaseTracker
from .video_io import Frame, FrameSource, InputType, open_source

FAST = ('float32', *sorted(DTYPES))
WHOLE_IMAGE = ('whole_image', 'whole-image')
MAX_WARNINGS = 5
BBOX_THR = 0.3
NMS_THR = 0.3

BoxesType = Union[Sequence, Mapping, Callable[[np.ndarray, int], Any]]


@dataclass
class VideoRun:
    """What happened in a run of :class:`VideoPoseInferencer`.

    Attributes:
        num_frames: Done so far.
        announced_frames: By the source, or None.
        num_damaged: Frames that were bridged.
        frames_with_people: Good frames with at least one person.
        cut_off: Whether the video ended before its announced end.
        fps: Frames a second of the video.
        vis_path: Of the annotated video, or empty.
        pred_path: Of the predictions, or empty.
    """
    num_frames: int = 0
    announced_frames: Optional[int] = None
    num_damaged: int = 0
    frames_with_people: int = 0
    cut_off: bool = False
    fps: float = 0.0
    vis_path: str = ''
    pred_path: str = ''


def _resolve_config(pose2d: Any) -> Any:
    """A recipe of the plugin becomes its path; the rest is MMPose's."""
    if not isinstance(pose2d, (str, os.PathLike)):
        return pose2d
    pose2d = os.fspath(pose2d)
    if os.path.isfile(pose2d):
        return pose2d
    try:
        return config_path(pose2d)
    except FileNotFoundError as error:
        if not pose2d.endswith('.py'):
            return pose2d
        raise FileNotFoundError(
            f'{pose2d}: no such config file ({error})') from None


def metainfo_from_config(config: Config) -> dict:
    """Metainfo of the data set that a pose config is tested on.

    Args:
        config: With a ``test_dataloader``.

    Returns:
        dict: As of a data set: ``keypoint_id2name``, ``flip_indices``, ...

    Raises:
        ValueError: The data set names none.
    """
    where = config.filename or 'the config'
    try:
        dataset = config.test_dataloader.dataset
    except AttributeError:
        raise ValueError(f'{where} has no test_dataloader; give the config '
                         'of a pose model') from None
    metainfo = dataset.get('metainfo')
    if metainfo is None:
        kind = dataset.type
        kind = DATASETS.get(kind) if isinstance(kind, str) else kind
        metainfo = getattr(kind, 'METAINFO', None)
    if not metainfo:
        raise ValueError(f'{where}: its test data set {dataset.type} has no '
                         'metainfo')
    metainfo = dict(metainfo)
    if 'from_file' in metainfo:
        metainfo['from_file'] = resolve_metainfo_file(metainfo['from_file'])
    return parse_pose_metainfo(metainfo)


def check_boxes(boxes: Any, where: str) -> np.ndarray:
    """Bring boxes given by a user into shape.

    Args:
        boxes: (N, 4) or (N, 5): x1 y1 x2 y2 in pixels, score.
        where: Beginning of the error message.

    Returns:
        np.ndarray: (N, 5) float32; the score is 1 where none was given.

    Raises:
        ValueError: Another shape, or a box that is not finite or has no
            area.
    """
    try:
        array = np.asarray(boxes, dtype=np.float32)
    except (TypeError, ValueError):
        raise ValueError(f'{where}: boxes must be rows of 4 or 5 numbers, '
                         f'but got {boxes!r}') from None
    if array.size == 0:
        return np.zeros((0, 5), np.float32)
    if array.ndim != 2 or array.shape[1] not in (4, 5):
        raise ValueError(f'{where}: boxes must be N x 4 (x1 y1 x2 y2) or '
                         f'N x 5 with scores, but got {array.shape}')
    bad = ~(np.isfinite(array).all(axis=1) &
            (array[:, 2:4] > array[:, :2]).all(axis=1))
    if bad.any():
        raise ValueError(f'{where}: the box {array[bad][0].tolist()} must be '
                         'finite with x1 < x2 and y1 < y2')
    if array.shape[1] == 4:
        ones = np.ones((len(array), 1), np.float32)
        array = np.concatenate([array, ones], axis=1)
    return array


@INFERENCERS.register_module()
class VideoPoseInferencer(BaseMMPoseInferencer):
    """Tracked poses of all people of a video, frame by frame.

    Follows MMPose's inferencers, with these differences. Input is always a
    video: a file, a camera, a folder, a pattern or a list of frames. Every
    person has an id. Recurrent models continue each person's pose from the
    frame before; MMPose's top-down image models work too. Nothing is loaded
    whole, so that memory does not grow with the video. Leaving the loop
    early, an exception and Ctrl-C leave files that are complete for the
    frames done.

    A damaged frame is reported and bridged: the last good frame takes its
    place with the poses it had, and its record says ``damaged``.

    One video at a time: starting another ends the first.

    Args:
        pose2d (str | Config): Config of the pose model: a path, the name of
            one of the plugin's recipes, or of an MMPose model.
        pose2d_weights (str, optional): Its checkpoint. Defaults to ``None``:
            that of an MMPose model's name, else untrained.
        det_model (str, optional): Config or name of an MMDetection detector,
            or ``'whole_image'``. Defaults to ``None``: ``bboxes`` are given
            with each call.
        det_weights (str, optional): The detector's checkpoint.
        det_cat_ids (int | Sequence[int], optional): Classes of the detector.
            Defaults to ``None``: the one whose name is person.
        bbox_thr (float, optional): Lowest score of a detected box. Defaults
            to ``None``: what the tracker wants, else 0.3.
        nms_thr (float, optional): Largest overlap of two detected boxes.
            Defaults to ``None``: 0.3.
        tracker (dict | BaseTracker): Who is who. Defaults to ``None``:
            ``dict(type='MotionTracker')``.
        smoothing (dict, optional): A filter of the keypoints, e.g.
            ``dict(type='OneEuroFilter')``. Defaults to ``None``.
        bbox_smoothing (dict, optional): The same for the boxes' corners,
            before the crop. Not with a tracker that uses keypoints. Defaults
            to ``None``.
        reset_interval (int | str, optional): Frames after which a person
            starts anew from the pose initializer. ``'clip'``: the clip length
            of the config's test data, so that the model does what it is
            evaluated for; for a model without a state, nothing. ``None`` or
            0: never. Defaults to ``'clip'``.
        collapse_ratio (float, optional): See
            :class:`~rpstn_mmpose.streams.RecurrentStream`.
        max_gap (int): See there.
        device (str, optional): Defaults to ``None``: cuda where there is one.
        fast (str, optional): Put the pose model through
            ``optimize_for_inference``, to compute in ``'float32'`` (the same
            poses up to rounding), ``'bfloat16'`` or ``'float16'``. For
            models of heatmaps. Defaults to ``None``: the model as it is.
        compile (bool): Compile it too, with ``fast='float32'`` if that is
            ``None``. The first frames take a minute or so, and so do those
            with another number of people. Defaults to ``False``.

    Raises:
        FileNotFoundError: No such config or checkpoint.
        ValueError: A checkpoint of another model, a detector without people,
            a tracker that does not go with the model, an unknown ``fast``,
            an option that would do nothing.

    Examples:
        >>> inferencer = VideoPoseInferencer(
        ...     'rpstn_res50_1xb8-100e_penn-256x256', 'rpstn.pth',
        ...     det_model='rtmdet_tiny_8xb32-300e_coco')
        >>> for result in inferencer('video.mp4', out_dir='out'):
        ...     people = result['predictions'][0]
    """

    preprocess_kwargs: set = {
        'bbox_thr', 'nms_thr', 'bboxes', 'fps', 'max_frames'
    }
    forward_kwargs: set = set()
    visualize_kwargs: set = {
        'return_vis', 'draw_bbox', 'thickness', 'kpt_thr', 'vis_out_dir'
    }
    postprocess_kwargs: set = {'pred_out_dir'}

    def __init__(self,
                 pose2d: Union[str, os.PathLike, Config],
                 pose2d_weights: Optional[str] = None,
                 det_model: Optional[Union[str, Config]] = None,
                 det_weights: Optional[str] = None,
                 det_cat_ids: Union[int, Sequence[int], None] = None,
                 bbox_thr: Optional[float] = None,
                 nms_thr: Optional[float] = None,
                 tracker: Union[dict, BaseTracker, None] = None,
                 smoothing: Optional[dict] = None,
                 bbox_smoothing: Optional[dict] = None,
                 reset_interval: Union[int, str, None] = 'clip',
                 collapse_ratio: Optional[float] = COLLAPSE_RATIO,
                 max_gap: int = MAX_GAP,
                 device: Optional[str] = None,
                 scope: str = 'mmpose',
                 fast: Optional[str] = None,
                 compile: bool = False) -> None:
        if fast is not None and fast not in FAST:
            raise ValueError(f'{self.__class__.__name__}: fast must be one '
                             f'of {FAST} or None, but got {fast!r}')
        init_default_scope(scope)
        pose2d = _resolve_config(pose2d)
        self._where = getattr(pose2d, 'filename', pose2d) or 'the config'
        if pose2d_weights is not None:
            pose2d_weights = os.fspath(pose2d_weights)
            if '://' not in pose2d_weights and not os.path.isfile(
                    pose2d_weights):
                raise FileNotFoundError(
                    f'{pose2d_weights}: no such checkpoint file')
        super().__init__(
            model=pose2d,
            weights=pose2d_weights,
            device=device,
            scope=scope,
            show_progress=False)
        self.model = revert_sync_batchnorm(self.model)
        self.device = next(self.model.parameters()).device
        # In a stream a GPU waits for the host, which a recording of the
        # whole frame cures. A CPU does not: with compiled parts the starts
        # are compiled too, and a frame can be prepared.
        whole_frame = (
            compile and self.device.type != 'cpu'
            and self._carries_state)
        if fast is not None or compile:
            optimize_for_inference(
                self.model,
                dtype=fast if fast in DTYPES else None,
                compile=compile and not whole_frame)
        self.estimator = make_stream(
            self.model,
            reset_interval=self._reset_interval(reset_interval),
            collapse_ratio=collapse_ratio,
            max_gap=max_gap,
            compile=whole_frame)
        self.tracker = self._init_tracker(tracker)
        self.smoothing = self._build(smoothing)
        self.bbox_smoothing = self._build(bbox_smoothing)
        if self.tracker.uses_keypoints:
            # Boxes are smoothed before the crop, people known after it.
            self._refuse(
                f'does nothing with a {type(self.tracker).__name__} that '
                'uses keypoints; set oks_weight=0, or leave it out',
                bbox_smoothing=bbox_smoothing)
        self._init_detector(det_model, det_weights, det_cat_ids, bbox_thr,
                            nms_thr)
        self.last_run = VideoRun()

    @property
    def dataset_meta(self) -> dict:
        """Metainfo of the joints that the model predicts."""
        return self.model.dataset_meta

    def _refuse(self, why: str, **options: Any) -> None:
        """Raise a line if an option is given that would do nothing."""
        for option, value in options.items():
            if value is not None:
                raise ValueError(f'{self.__class__.__name__}: {option} {why}')

    @staticmethod
    def _build(config: Any) -> Any:
        return TASK_UTILS.build(config) if isinstance(config,
                                                      dict) else config

    def _reset_interval(self, interval: Union[int, str, None]) -> int:
        if isinstance(interval, str):
            if interval != 'clip':
                raise ValueError(f"{self.__class__.__name__}: reset_interval "
                                 "must be a number, None or 'clip', but got "
                                 f'{interval!r}')
            interval = self._clip_length() if self._carries_state else 0
        return interval or 0

    @property
    def _carries_state(self) -> bool:
        return getattr(self.model, 'carries_state', False)

    def _clip_length(self) -> int:
        """Frames of the test data's clips, for a model with a state."""
        dataset = self.cfg.test_dataloader.dataset
        length = dataset.get('clip_length') or len(
            dataset.get('clip_offsets') or ())
        if length < 2:
            why = 'have no clip_length'
            if length == 1:
                why = ('are clips of one frame: everybody would start anew '
                       f'in every frame, and the state of '
                       f'{type(self.model).__name__} do nothing')
            raise ValueError(
                f"{self._where}: reset_interval='clip' is of no use, as its "
                f'test data {why}; set reset_interval to 0 (never), or to 2 '
                'or more')
        return length

    def _init_tracker(self, tracker: Any) -> BaseTracker:
        tracker = self._build(tracker or dict(type='MotionTracker'))
        if tracker.uses_keypoints and self.estimator.needs_ids:
            raise ValueError(
                f'{self.__class__.__name__}: {type(tracker).__name__} wants '
                'the poses of a frame to find out who is who, but '
                f'{type(self.model).__name__} needs to know who is who '
                'before; set oks_weight=0')
        if getattr(tracker, 'sigmas', False) is None:
            sigmas = self.dataset_meta.get('sigmas')
            if sigmas is not None:
                tracker.sigmas = np.asarray(sigmas)
        return tracker

    def _init_detector(self, model: Optional[Union[str, Config]],
                       weights: Optional[str],
                       cat_ids: Union[int, Sequence[int], None],
                       bbox_thr: Optional[float],
                       nms_thr: Optional[float]) -> None:
        self.whole_image = model in WHOLE_IMAGE
        self.detector: Optional[PersonDetector] = None
        if model is None or self.whole_image:
            self._refuse(
                'is of a detector; give det_model, or leave it out',
                det_weights=weights,
                det_cat_ids=cat_ids,
                bbox_thr=bbox_thr,
                nms_thr=nms_thr)
        else:
            self.detector = PersonDetector(
                model, weights, cat_ids=cat_ids, device=str(self.device))
        if bbox_thr is None:
            bbox_thr = self.tracker.lowest_score
        self.bbox_thr = BBOX_THR if bbox_thr is None else bbox_thr
        self.nms_thr = NMS_THR if nms_thr is None else nms_thr

    def _load_weights_to_model(self, model: nn.Module,
                               checkpoint: Optional[dict],
                               cfg: Config) -> None:
        """Load all of the weights, or refuse; add ``dataset_meta``."""
        meta = {}
        if checkpoint is not None:
            load_matching_weights(model, checkpoint, self._where)
            meta = checkpoint.get('meta', {}).get('dataset_meta')
        else:
            print_log(
                f'{self._where}: no checkpoint given, the model is '
                'untrained.',
                logger='current',
                level=logging.WARNING)
        model.dataset_meta = meta or metainfo_from_config(cfg)

    def _init_pipeline(self, cfg: Config) -> Compose:
        return frame_pipeline(cfg)

    def _init_collate(self, cfg: Config) -> Callable:
        return pseudo_collate

    def _init_visualizer(self, cfg: Config) -> None:
        # Frames are drawn by draw_people; MMPose's draws one figure a frame.
        return None

    def __call__(self,
                 inputs: InputType,
                 return_datasamples: bool = False,
                 batch_size: int = 1,
                 out_dir: Optional[str] = None,
                 **kwargs: Any) -> Iterator[dict]:
        """Run over a video.

        Args:
            inputs: See :func:`~rpstn_mmpose.apis.open_source`.
            return_datasamples (bool): ``predictions`` as a PoseDataSample
                instead of a list of instances.
            batch_size (int): Frames that the detector takes at once. Above
                1, frames are read ahead, which a camera should not.
            out_dir (str, optional): Folder for ``visualizations/NAME.mp4``
                and ``predictions/NAME.json``.
            bboxes: Boxes instead of a detector: a list with an entry for
                every frame, a dict by frame number (from 0), or a function
                of (image, frame number). An entry is N x 4 (x1 y1 x2 y2) or
                N x 5 with scores.
            bbox_thr (float): Instead of the inferencer's.
            nms_thr (float): Instead of the inferencer's.
            fps (float): Frames a second, instead of the source's.
            max_frames (int): Stop after so many.
            return_vis (bool): Give the annotated frame too.
            draw_bbox (bool): Draw boxes and ids. Defaults to ``True``.
            thickness (int): Of the links, pixels.
            kpt_thr (float): Joints with lower scores are not drawn.
                Defaults to 0.3.
            vis_out_dir (str): Folder for the video, or its ``.mp4`` path.
            pred_out_dir (str): Folder for the predictions, or their
                ``.json`` path.

        Yields:
            dict: ``predictions``, a list of one entry, the frame's instances
            as of MMPose with ``track_id``; ``visualization``, a list of the
            annotated frame (RGB) or empty; ``frame_id`` from 0; ``damaged``,
            a bool.

        Raises:
            FileNotFoundError: No such input.
            ValueError: Input that is no video, no boxes, a bad option, or
                one that would do nothing.
            OSError: Output that cannot be written.
        """
        if out_dir is not None:
            if {'vis_out_dir', 'pred_out_dir'} <= set(kwargs):
                self._refuse(
                    'does nothing beside both vis_out_dir and pred_out_dir; '
                    'leave it out',
                    out_dir=out_dir)
            kwargs.setdefault('vis_out_dir',
                              os.path.join(out_dir, 'visualizations'))
            kwargs.setdefault('pred_out_dir',
                              os.path.join(out_dir, 'predictions'))
        pre, _, vis, post = self._dispatch_kwargs(**kwargs)
        bboxes = pre.pop('bboxes', None)
        max_frames = pre.pop('max_frames', None)
        for name, value in (('batch_size', batch_size), ('max_frames',
                                                         max_frames)):
            if value is not None and value < 1:
                raise ValueError(f'{self.__class__.__name__}: {name} must be '
                                 f'at least 1, but got {value}')
        if bboxes is None and self.detector is None and not self.whole_image:
            raise ValueError(
                f"{self.__class__.__name__}: give det_model, bboxes, or "
                "det_model='whole_image'")
        if not vis.get('return_vis') and not vis.get('vis_out_dir'):
            self._refuse(
                'is of the picture; give return_vis=True, vis_out_dir or '
                'out_dir, or leave it out',
                draw_bbox=vis.get('draw_bbox'),
                thickness=vis.get('thickness'),
                kpt_thr=vis.get('kpt_thr'))
        if bboxes is not None or self.detector is None:
            self._refuse(
                'is of detected boxes, and none are detected; leave it out',
                bbox_thr=pre.get('bbox_thr'),
                nms_thr=pre.get('nms_thr'))
        source = open_source(inputs, pre.pop('fps', None))
        run = VideoRun(
            announced_frames=source.num_frames,
            fps=float(source.fps),
            vis_path=self._out_path(
                vis.pop('vis_out_dir', None), source, '.mp4'),
            pred_path=self._out_path(
                post.pop('pred_out_dir', None), source, '.json'))
        self.last_run = run
        frames = self._with_boxes(source, bboxes, batch_size, max_frames,
                                  **pre)
        return self._run(source, run, frames, return_datasamples, **vis)

    @staticmethod
    def _out_path(place: Optional[str], source: FrameSource,
                  ending: str) -> str:
        if not place:
            return ''
        path = Path(place)
        if path.suffix.lower() != ending:
            path = path / f'{source.name}{ending}'
        return str(check_output_path(path, (ending, )))

    def _with_boxes(self,
                    source: FrameSource,
                    bboxes: Optional[BoxesType],
                    batch_size: int,
                    max_frames: Optional[int],
                    bbox_thr: Optional[float] = None,
                    nms_thr: Optional[float] = None
                    ) -> Iterator[Tuple[Frame, np.ndarray]]:
        """Read frames, ``batch_size`` at once, and find their boxes."""
        limits = dict(
            bbox_thr=self.bbox_thr if bbox_thr is None else bbox_thr,
            nms_thr=self.nms_thr if nms_thr is None else nms_thr)
        frames = iter(source)
        left = max_frames
        error: Optional[Exception] = None
        done = False
        while not done:
            chunk: List[Frame] = []
            try:
                while len(chunk) < batch_size and left != 0:
                    chunk.append(next(frames))
                    left = None if left is None else left - 1
                done = left == 0
            except StopIteration:
                done = True
            except (OSError, ValueError) as reason:
                # First what was read before.
                error, done = reason, True
            yield from zip(chunk, self._boxes(chunk, bboxes, limits))
        frames.close()
        if error is not None:
            raise error

    def _boxes(self, chunk: List[Frame], bboxes: Optional[BoxesType],
               limits: dict) -> Iterator[np.ndarray]:
        """Boxes (N, 5) of each frame; none of damaged ones."""
        empty = np.zeros((0, 5), np.float32)
        found: Iterator[np.ndarray] = iter(())
        if bboxes is None and self.detector is not None:
            images = [frame.image for frame in chunk if not frame.damaged]
            found = iter(self.detector(images, **limits) if images else ())
        for frame in chunk:
            if frame.damaged:
                yield empty
            elif bboxes is not None:
                yield self._given(bboxes, frame)
            elif self.whole_image:
                height, width = frame.image.shape[:2]
                yield np.float32([[0, 0, width, height, 1]])
            else:
                yield next(found)

    def _given(self, bboxes: BoxesType, frame: Frame) -> np.ndarray:
        if callable(bboxes):
            boxes = bboxes(frame.image, frame.index)
        elif isinstance(bboxes, Mapping):
            boxes = bboxes.get(frame.index, ())
        elif frame.index < len(bboxes):
            boxes = bboxes[frame.index]
        else:
            raise ValueError(
                f'{self.__class__.__name__}: bboxes are given for '
                f'{len(bboxes)} frames, but the video has more')
        return check_boxes(boxes, f'bboxes of frame {frame.index}')

    def _run(self,
             source: FrameSource,
             run: VideoRun,
             frames: Iterator[Tuple[Frame, np.ndarray]],
             return_datasamples: bool,
             return_vis: bool = False,
             draw_bbox: bool = True,
             thickness: Optional[int] = None,
             kpt_thr: float = 0.3) -> Iterator[dict]:
        self.estimator.reset()
        self.tracker.reset()
        for part in (self.smoothing, self.bbox_smoothing):
            if part is not None:
                part.reset()
        video: Optional[VideoWriter] = None
        record: Optional[PredictionWriter] = None
        sample = PoseDataSample(pred_instances=self._nobody())
        try:
            for frame, boxes in frames:
                if frame.damaged:
                    self._report(source, run, frame)
                    self._skip()
                else:
                    sample = self.forward(frame, boxes, run.fps)
                    run.frames_with_people += len(sample.pred_instances) > 0
                instances = self._to_instances(sample)
                picture = None
                if return_vis or run.vis_path:
                    picture = draw_people(
                        frame.image,
                        instances,
                        self.dataset_meta,
                        kpt_thr=kpt_thr,
                        draw_bbox=draw_bbox,
                        thickness=thickness,
                        note='damaged frame' if frame.damaged else '')
                if run.vis_path:
                    if video is None:
                        video = VideoWriter(run.vis_path, fps=source.fps)
                    video.write(picture)
                if run.pred_path:
                    if record is None:
                        record = PredictionWriter(
                            run.pred_path, self._meta_info(source, run))
                    others = {'damaged': True} if frame.damaged else {}
                    record.write(frame.index, instances, **others)
                run.num_frames += 1
                yield dict(
                    predictions=[
                        sample if return_datasamples else instances
                    ],
                    visualization=([picture[..., ::-1].copy()]
                                   if return_vis else []),
                    frame_id=frame.index,
                    damaged=bool(frame.damaged))
                # The caller has the poses and wants the next frame, which a
                # camera may still be taking; a GPU works while the host
                # reads and crops it. On a CPU with a file it is neither gain
                # nor loss: the same work as in the next frame.
                self.estimator.prepare()
            run.cut_off = bool(getattr(source, 'cut_off', False))
        finally:
            frames.close()
            # Whatever ends the loop, what was done is kept.
            try:
                if video is not None:
                    video.close() if video.num_frames else video.discard()
            finally:
                if record is not None:
                    record.close()
        if not run.num_frames:
            raise ValueError(f'{source.name}: the video has no frame that '
                             'can be read')

    def _report(self, source: FrameSource, run: VideoRun,
                frame: Frame) -> None:
        run.num_damaged += 1
        if run.num_damaged > MAX_WARNINGS:
            return
        last = ' (further ones are only counted)' if (
            run.num_damaged == MAX_WARNINGS) else ''
        print_log(
            f'{frame.path or source.name}: frame {frame.index} '
            f'{frame.damaged}; it shows the one before{last}',
            logger='current',
            level=logging.WARNING)

    def _skip(self) -> None:
        """Let time pass for a frame that nothing is known of."""
        self.estimator.skip_frame()
        self.tracker.update(np.zeros((0, 4)), np.zeros(0))
        for part in (self.smoothing, self.bbox_smoothing):
            if part is not None:
                part.skip_frame()

    def _nobody(self) -> InstanceData:
        count = len(self.dataset_meta['keypoint_id2name'])
        return InstanceData(
            keypoints=np.zeros((0, count, 2), np.float32),
            keypoint_scores=np.zeros((0, count), np.float32),
            bboxes=np.zeros((0, 4), np.float32),
            bbox_scores=np.zeros(0, np.float32),
            track_ids=np.zeros(0, int))

    def forward(self, frame: Frame, boxes: np.ndarray,
                fps: float) -> PoseDataSample:
        """Poses of the next frame.

        Args:
            frame (Frame): The frame.
            boxes (np.ndarray): (N, 5), x1 y1 x2 y2 score.
            fps (float): Frames a second, for the filters.

        Returns:
            PoseDataSample: ``pred_instances`` with a row for each tracked
            person: ``keypoints``, ``keypoint_scores``, ``bboxes``,
            ``bbox_scores``, ``track_ids``.
        """
        if self.tracker.uses_keypoints:
            samples = self.estimator.predict(
                self._crops(frame, boxes), range(len(boxes)))
            points = [s.pred_instances.keypoints[0] for s in samples]
            ids = self.tracker.update(
                boxes[:, :4], boxes[:, 4],
                np.stack(points) if points else np.zeros((0, 1, 2)))
            samples = [s for s, key in zip(samples, ids) if key >= 0]
            ids = ids[ids >= 0]
        else:
            ids = self.tracker.update(boxes[:, :4], boxes[:, 4])
            boxes, ids = boxes[ids >= 0], ids[ids >= 0]
            if self.bbox_smoothing is not None:
                boxes = boxes.copy()
                boxes[:, :4] = self.bbox_smoothing(
                    ids, boxes[:, :4].reshape(-1, 2, 2), fps,
                    self._sizes(boxes)).reshape(-1, 4)
            samples = self.estimator.predict(self._crops(frame, boxes), ids)
        if not samples:
            if self.smoothing is not None:
                self.smoothing.skip_frame()
            return PoseDataSample(pred_instances=self._nobody())
        merged = merge_data_samples(samples)
        instances = merged.pred_instances
        instances.track_ids = np.asarray(ids, dtype=int)
        if self.smoothing is not None:
            instances.keypoints = self.smoothing(
                ids, instances.keypoints, fps, self._sizes(instances.bboxes))
        return merged

    @staticmethod
    def _sizes(boxes: np.ndarray) -> np.ndarray:
        return (boxes[:, 2:4] - boxes[:, :2]).max(axis=1, initial=0)

    def _crops(self, frame: Frame, boxes: np.ndarray) -> List[dict]:
        name = frame.path or f'{frame.index:06d}.jpg'
        return [
            self.pipeline(
                dict(
                    self.dataset_meta,
                    img=frame.image,
                    img_path=name,
                    bbox=box[None, :4],
                    bbox_score=box[4:5])) for box in boxes
        ]

    @staticmethod
    def _to_instances(sample: PoseDataSample) -> List[dict]:
        """MMPose's records of people, with ``track_id``."""
        people = sample.pred_instances
        instances = split_instances(people)
        for item, track_id in zip(instances, people.track_ids):
            item['track_id'] = int(track_id)
            item['bbox_score'] = float(item['bbox_score'])
        return instances

    def _meta_info(self, source: FrameSource, run: VideoRun) -> Dict[str, Any]:
        """Of the data set, as in MMPose's demos, and of the video."""
        video = dict(
            name=source.name,
            fps=run.fps,
            width=source.size[0],
            height=source.size[1],
            announced_frames=run.announced_frames)
        return to_plain(dict(self.dataset_meta, video=video))
