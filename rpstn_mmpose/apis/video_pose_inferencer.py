# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Video in, tracked poses out, one frame at a time."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import (
    Any,
    Callable,
    Iterable,
    Iterator,
    List,
    Optional,
    Sequence,
    Union,
)

import numpy as np
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.logging import print_log
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import init_default_scope
from mmpose.apis.inferencers.base_mmpose_inferencer import BaseMMPoseInferencer
from mmpose.registry import INFERENCERS, TASK_UTILS
from torch import nn

from ..models.pose_estimators import with_memory
from ..speed.fast_inference import DTYPES, optimize_for_inference
from ..streams import make_stream
from ..streams.pose_stream import COLLAPSE_RATIO, MAX_GAP
from ..streams.stages import (
    BridgeStage,
    EstimateStage,
    SmoothStage,
    Stage,
    TrackStage,
    VideoFrame,
    flush_through,
    push_through,
)
from ..visualization import check_output_path
from .boxes import FrameReader
from .crop_pipeline import frame_pipeline
from .person_detector import PersonDetector, load_matching_weights
from .pose_config import metainfo_from_config, resolve_config
from .tracking import BaseTracker
from .video_io import FrameSource, InputType, open_source
from .video_output import VideoOutput, VideoRun

FAST = ('float32', *sorted(DTYPES))
WHOLE_IMAGE = ('whole_image', 'whole-image')
BBOX_THR = 0.3
NMS_THR = 0.3


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
        memory (dict, optional): Put on an image model of heatmaps, so that
            what is hidden now is found where it was, e.g.
            ``dict(type='RecursiveHeatmapMean', weight=0.7)``. Defaults to
            ``None``.
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
        'bbox_thr',
        'nms_thr',
        'bboxes',
        'fps',
        'max_frames',
    }
    forward_kwargs: set = set()
    visualize_kwargs: set = {
        'return_vis',
        'draw_bbox',
        'thickness',
        'kpt_thr',
        'vis_out_dir',
    }
    postprocess_kwargs: set = {'pred_out_dir'}

    def __init__(
        self,
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
        compile: bool = False,
        memory: Optional[dict] = None,
    ) -> None:
        if fast is not None and fast not in FAST:
            raise ValueError(
                f'{self.__class__.__name__}: fast must be one '
                f'of {FAST} or None, but got {fast!r}'
            )
        init_default_scope(scope)
        self._memory = memory
        pose2d = resolve_config(pose2d)
        self._where = getattr(pose2d, 'filename', pose2d) or 'the config'
        if pose2d_weights is not None:
            pose2d_weights = os.fspath(pose2d_weights)
            if '://' not in pose2d_weights and not os.path.isfile(
                pose2d_weights
            ):
                raise FileNotFoundError(
                    f'{pose2d_weights}: no such checkpoint file'
                )
        super().__init__(
            model=pose2d,
            weights=pose2d_weights,
            device=device,
            scope=scope,
            show_progress=False,
        )
        self.model = revert_sync_batchnorm(self.model)
        self.device = next(self.model.parameters()).device
        # In a stream a GPU waits for the host, which a recording of the
        # whole frame cures. A CPU does not: with compiled parts the starts
        # are compiled too, and a frame can be prepared.
        whole_frame = (
            compile and self.device.type != 'cpu' and self._carries_state
        )
        if fast is not None or compile:
            optimize_for_inference(
                self.model,
                dtype=fast if fast in DTYPES else None,
                compile=compile and not whole_frame,
            )
        self.estimator = make_stream(
            self.model,
            reset_interval=self._reset_interval(reset_interval),
            collapse_ratio=collapse_ratio,
            max_gap=max_gap,
            compile=whole_frame,
        )
        self.tracker = self._init_tracker(tracker)
        self.smoothing = self._build(smoothing)
        self.bbox_smoothing = self._build(bbox_smoothing)
        if self.tracker.uses_keypoints:
            # Boxes are smoothed before the crop, people known after it.
            self._refuse(
                f'does nothing with a {type(self.tracker).__name__} that '
                'uses keypoints; set oks_weight=0, or leave it out',
                bbox_smoothing=bbox_smoothing,
            )
        self._init_detector(
            det_model, det_weights, det_cat_ids, bbox_thr, nms_thr
        )
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
        return TASK_UTILS.build(config) if isinstance(config, dict) else config

    def _reset_interval(self, interval: Union[int, str, None]) -> int:
        if isinstance(interval, str):
            if interval != 'clip':
                raise ValueError(
                    f'{self.__class__.__name__}: reset_interval '
                    "must be a number, None or 'clip', but got "
                    f'{interval!r}'
                )
            # An image recipe has no clips; with a memory it goes on for ever.
            clips = self._carries_state and self._memory is None
            interval = self._clip_length() if clips else 0
        return interval or 0

    @property
    def _carries_state(self) -> bool:
        return getattr(self.model, 'carries_state', False)

    def _clip_length(self) -> int:
        """Frames of the test data's clips, for a model with a state."""
        dataset = self.cfg.test_dataloader.dataset
        length = dataset.get('clip_length') or len(
            dataset.get('clip_offsets') or ()
        )
        if length < 2:
            why = 'have no clip_length'
            if length == 1:
                why = (
                    'are clips of one frame: everybody would start anew '
                    f'in every frame, and the state of '
                    f'{type(self.model).__name__} do nothing'
                )
            raise ValueError(
                f"{self._where}: reset_interval='clip' is of no use, as its "
                f'test data {why}; set reset_interval to 0 (never), or to 2 '
                'or more'
            )
        return length

    def _init_tracker(self, tracker: Any) -> BaseTracker:
        tracker = self._build(tracker or dict(type='MotionTracker'))
        if tracker.uses_keypoints and self.estimator.needs_ids:
            raise ValueError(
                f'{self.__class__.__name__}: {type(tracker).__name__} wants '
                'the poses of a frame to find out who is who, but '
                f'{type(self.model).__name__} needs to know who is who '
                'before; set oks_weight=0'
            )
        if getattr(tracker, 'sigmas', False) is None:
            sigmas = self.dataset_meta.get('sigmas')
            if sigmas is not None:
                tracker.sigmas = np.asarray(sigmas)
        return tracker

    def _init_detector(
        self,
        model: Optional[Union[str, Config]],
        weights: Optional[str],
        cat_ids: Union[int, Sequence[int], None],
        bbox_thr: Optional[float],
        nms_thr: Optional[float],
    ) -> None:
        self.whole_image = model in WHOLE_IMAGE
        self.detector: Optional[PersonDetector] = None
        if model is None or self.whole_image:
            self._refuse(
                'is of a detector; give det_model, or leave it out',
                det_weights=weights,
                det_cat_ids=cat_ids,
                bbox_thr=bbox_thr,
                nms_thr=nms_thr,
            )
        else:
            self.detector = PersonDetector(
                model, weights, cat_ids=cat_ids, device=str(self.device)
            )
        if bbox_thr is None:
            bbox_thr = self.tracker.lowest_score
        self.bbox_thr = BBOX_THR if bbox_thr is None else bbox_thr
        self.nms_thr = NMS_THR if nms_thr is None else nms_thr

    def _init_model(
        self, cfg: Config, weights: Any, device: str = 'cpu'
    ) -> nn.Module:
        if self._memory is not None:
            cfg.model = with_memory(cfg.model, self._memory)
        return super()._init_model(cfg, weights, device)

    def _load_weights_to_model(
        self, model: nn.Module, checkpoint: Optional[dict], cfg: Config
    ) -> None:
        """Load all of the weights, or refuse; add ``dataset_meta``."""
        meta = {}
        if checkpoint is not None:
            load_matching_weights(model, checkpoint, self._where)
            meta = checkpoint.get('meta', {}).get('dataset_meta')
        else:
            print_log(
                f'{self._where}: no checkpoint given, the model is untrained.',
                logger='current',
                level=logging.WARNING,
            )
        model.dataset_meta = meta or metainfo_from_config(cfg)

    def _init_pipeline(self, cfg: Config) -> Compose:
        return frame_pipeline(cfg)

    def _init_collate(self, cfg: Config) -> Callable:
        return pseudo_collate

    def _init_visualizer(self, cfg: Config) -> None:
        # Frames are drawn by draw_people; MMPose's draws one figure a frame.
        return None

    def __call__(
        self,
        inputs: InputType,
        return_datasamples: bool = False,
        batch_size: int = 1,
        out_dir: Optional[str] = None,
        **kwargs: Any,
    ) -> Iterator[dict]:
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
                    out_dir=out_dir,
                )
            kwargs.setdefault(
                'vis_out_dir', os.path.join(out_dir, 'visualizations')
            )
            kwargs.setdefault(
                'pred_out_dir', os.path.join(out_dir, 'predictions')
            )
        pre, _, vis, post = self._dispatch_kwargs(**kwargs)
        bboxes = pre.pop('bboxes', None)
        max_frames = pre.pop('max_frames', None)
        for name, value in (
            ('batch_size', batch_size),
            ('max_frames', max_frames),
        ):
            if value is not None and value < 1:
                raise ValueError(
                    f'{self.__class__.__name__}: {name} must be '
                    f'at least 1, but got {value}'
                )
        if bboxes is None and self.detector is None and not self.whole_image:
            raise ValueError(
                f'{self.__class__.__name__}: give det_model, bboxes, or '
                "det_model='whole_image'"
            )
        if not vis.get('return_vis') and not vis.get('vis_out_dir'):
            self._refuse(
                'is of the picture; give return_vis=True, vis_out_dir or '
                'out_dir, or leave it out',
                draw_bbox=vis.get('draw_bbox'),
                thickness=vis.get('thickness'),
                kpt_thr=vis.get('kpt_thr'),
            )
        if bboxes is not None or self.detector is None:
            self._refuse(
                'is of detected boxes, and none are detected; leave it out',
                bbox_thr=pre.get('bbox_thr'),
                nms_thr=pre.get('nms_thr'),
            )
        source = open_source(inputs, pre.pop('fps', None))
        run = VideoRun(
            announced_frames=source.num_frames,
            fps=float(source.fps),
            vis_path=self._out_path(
                vis.pop('vis_out_dir', None), source, '.mp4'
            ),
            pred_path=self._out_path(
                post.pop('pred_out_dir', None), source, '.json'
            ),
        )
        self.last_run = run
        limits = dict(
            bbox_thr=pre.get('bbox_thr', self.bbox_thr),
            nms_thr=pre.get('nms_thr', self.nms_thr),
        )
        reader = FrameReader(
            source,
            bboxes,
            self.detector,
            limits,
            batch_size,
            max_frames,
            self.__class__.__name__,
        )
        output = VideoOutput(
            run,
            source,
            self.dataset_meta,
            return_datasamples=return_datasamples,
            **vis,
        )
        return self._run(source, run, reader, output)

    @staticmethod
    def _out_path(
        place: Optional[str], source: FrameSource, ending: str
    ) -> str:
        if not place:
            return ''
        path = Path(place)
        if path.suffix.lower() != ending:
            path = path / f'{source.name}{ending}'
        return str(check_output_path(path, (ending,)))

    def _stages(self, fps: float) -> List[Stage]:
        """What a frame goes through."""
        after_poses = self.tracker.uses_keypoints
        stages: List[Stage] = []
        if not after_poses:
            stages.append(TrackStage(self.tracker, self.bbox_smoothing, fps))
        stages.append(
            EstimateStage(
                self.estimator,
                self.pipeline,
                self.dataset_meta,
                self.tracker if after_poses else None,
            )
        )
        if self.smoothing is not None:
            stages.append(SmoothStage(self.smoothing, fps))
        stages.append(BridgeStage(len(self.dataset_meta['keypoint_id2name'])))
        return stages

    def _run(
        self,
        source: FrameSource,
        run: VideoRun,
        reader: Iterable[VideoFrame],
        output: VideoOutput,
    ) -> Iterator[dict]:
        stages = self._stages(run.fps)
        for stage in stages:
            stage.reset()
        frames = iter(reader)
        try:
            for frame in frames:
                for done in push_through(stages, [frame]):
                    yield output.write(done)
                    # The caller has the poses and wants the next frame,
                    # which a camera may still be taking; a GPU works while
                    # the host reads and crops it. On a CPU with a file it is
                    # neither gain nor loss: the same work as in the next
                    # frame.
                    self.estimator.prepare()
            for done in flush_through(stages):
                yield output.write(done)
            run.cut_off = bool(getattr(source, 'cut_off', False))
        finally:
            frames.close()
            # Whatever ends the loop, what was done is kept.
            output.close()
        if not run.num_frames:
            raise ValueError(
                f'{source.name}: the video has no frame that can be read'
            )
