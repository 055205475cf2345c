# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Video in, tracked poses out, one frame at a time."""

from __future__ import annotations

import logging
import os
from typing import Any, Callable, Iterator, Sequence

from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.logging import print_log
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import init_default_scope
from mmpose.apis.inferencers.base_mmpose_inferencer import BaseMMPoseInferencer
from mmpose.registry import INFERENCERS
from torch import nn

from ..models.pose_estimators import with_memory
from ..streams import make_stream
from ..streams.pose_stream import COLLAPSE_RATIO, MAX_GAP
from ..streams.stages import (
    BridgeStage,
    EstimateStage,
    LiftStage,
    SmoothStage,
    Stage,
    TrackStage,
    flush_through,
    push_through,
)
from .boxes import BoxSource, FrameReader
from .crop_pipeline import frame_pipeline
from .lifters import lifter_of
from .model_options import (
    build_task,
    carries_state,
    check_fast,
    checked_weights,
    speed_up,
    tracker_of,
)
from .options import out_path, places_of, refuse
from .person_detector import load_matching_weights
from .pose_config import interval_of, metainfo_from_config, resolve_config
from .refiners import refiner_of
from .tracking import BaseTracker
from .video_io import FrameSource, InputType, open_source, shots_of
from .video_output import VideoOutput, VideoRun


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
        bbox_thr (float, optional): Lowest score of a box. Defaults to
            ``None``: of detected ones what the tracker wants, else 0.3; of
            given ones any.
        nms_thr (float, optional): Largest overlap of two boxes. Defaults to
            ``None``: of detected ones 0.3, of given ones any.
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
        memory (str | dict, optional): Put on an image model of heatmaps or
            of SimCC; what is hidden now is found where it was: ``'mean'``, or
            e.g. ``dict(type='RecursiveHeatmapMean', weight=0.7)``.
        lookahead (int, optional): Frames to come that the memory reads, too;
            poses come so many frames later. For recordings: 20 or so, which
            finds more than the past alone. Defaults to ``None``.
        lifter (str | Config, optional): Config of a model that makes 3D
            poses of tracked 2D poses, a path or a recipe's name. People then
            have ``keypoints_3d`` too. Defaults to ``None``.
        lifter_weights (str, optional): Its checkpoint.
        refiner (str | Config, optional): Config of a model that makes the
            poses better, such as PoseFix, a path or a recipe's name; of the
            pose model's joints. Defaults to ``None``.
        refiner_weights (str, optional): Its checkpoint.
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

    preprocess_kwargs = set(
        'bbox_thr nms_thr bboxes cuts fps max_frames'.split()
    )
    forward_kwargs: set = set()
    visualize_kwargs = set(
        'return_vis draw_bbox draw_3d thickness kpt_thr vis_out_dir'.split()
    )
    postprocess_kwargs = {'pred_out_dir'}

    def __init__(
        self,
        pose2d: str | os.PathLike | Config,
        pose2d_weights: str | None = None,
        det_model: str | Config | None = None,
        det_weights: str | None = None,
        det_cat_ids: int | Sequence[int] | None = None,
        bbox_thr: float | None = None,
        nms_thr: float | None = None,
        tracker: dict | BaseTracker | None = None,
        smoothing: dict | None = None,
        bbox_smoothing: dict | None = None,
        reset_interval: int | str | None = 'clip',
        collapse_ratio: float | None = COLLAPSE_RATIO,
        max_gap: int = MAX_GAP,
        device: str | None = None,
        scope: str = 'mmpose',
        fast: str | None = None,
        compile: bool = False,
        memory: str | dict | None = None,
        lookahead: int | None = None,
        lifter: str | os.PathLike | Config | None = None,
        lifter_weights: str | None = None,
        refiner: str | os.PathLike | Config | None = None,
        refiner_weights: str | os.PathLike | None = None,
    ) -> None:
        check_fast(fast)
        init_default_scope(scope)
        self._memory = memory
        pose2d = resolve_config(pose2d)
        self._where = getattr(pose2d, 'filename', pose2d) or 'the config'
        super().__init__(
            model=pose2d,
            weights=checked_weights(pose2d_weights),
            device=device,
            scope=scope,
            show_progress=False,
        )
        self.model = revert_sync_batchnorm(self.model)
        self.device = next(self.model.parameters()).device
        whole_frame = speed_up(self.model, fast, compile)
        self.estimator = make_stream(
            self.model,
            reset_interval=interval_of(
                reset_interval,
                self.cfg,
                # An image recipe has no clips; a memory on it goes on for
                # ever.
                of_clips=carries_state(self.model) and memory is None,
            ),
            lookahead=lookahead,
            collapse_ratio=collapse_ratio,
            max_gap=max_gap,
            compile=whole_frame,
        )
        self.tracker = tracker_of(
            tracker,
            self.dataset_meta,
            needs_ids=self.estimator.needs_ids,
            smooths_boxes=bbox_smoothing is not None,
        )
        self.smoothing = build_task(smoothing)
        self.bbox_smoothing = build_task(bbox_smoothing)
        self.boxes = BoxSource(
            det_model,
            det_weights,
            det_cat_ids,
            bbox_thr,
            nms_thr,
            default_bbox_thr=self.tracker.lowest_score,
            device=str(self.device),
        )
        self.refiner = refiner_of(
            refiner, refiner_weights, self.dataset_meta, self.device
        )
        self.lifter = lifter_of(
            lifter, lifter_weights, self.dataset_meta, self.device
        )
        self.last_run = VideoRun()

    @property
    def dataset_meta(self) -> dict:
        """Metainfo of the joints that the model predicts."""
        return self.model.dataset_meta

    def _init_model(
        self, cfg: Config, weights: Any, device: str = 'cpu'
    ) -> nn.Module:
        if self._memory is not None:
            cfg.model = with_memory(cfg.model, self._memory)
        return super()._init_model(cfg, weights, device)

    def _load_weights_to_model(
        self, model: nn.Module, checkpoint: dict | None, cfg: Config
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
        out_dir: str | None = None,
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
            bboxes: Boxes instead of a detector: a file (see ``load_boxes``),
                whose ids are kept, a list with an entry for every frame, a
                dict by frame number (from 0), or a function of (image, frame
                number). An entry is N x 4 (x1 y1 x2 y2), or x 5 with scores.
            bbox_thr, nms_thr (float): Instead of the inferencer's.
            fps (float): Frames a second, instead of the times of the source.
            cuts (bool): Whether tracks and states start anew where another
                shot begins. Defaults to ``None``: if the video is not live;
                finding cuts makes frames come four late.
            max_frames (int): Stop after so many.
            return_vis (bool): Give the annotated frame too.
            draw_bbox (bool): Draw boxes and ids. Defaults to ``True``.
            draw_3d (bool): Draw a lifter's poses beside the picture.
            thickness (int): Of the links, pixels.
            kpt_thr (float): Lowest score of a drawn joint. Defaults to 0.3.
            vis_out_dir (str): Folder for the video, or its ``.mp4`` path.
            pred_out_dir (str): Folder for the predictions, or their
                ``.json`` path.

        Yields:
            dict: ``predictions``, a list of one entry, the frame's instances
            as of MMPose with ``track_id``; ``visualization``, a list of the
            annotated frame (RGB) or empty; ``frame_id`` from 0; ``time``,
            seconds since the first frame; ``damaged`` and ``cut`` (another
            shot begins), bools.

        Raises:
            FileNotFoundError: No such input.
            ValueError: Input that is no video, no boxes, a bad option, or
                one that would do nothing.
            OSError: Output that cannot be written.
        """
        pre, _, vis, post = self._dispatch_kwargs(**places_of(out_dir, kwargs))
        if not vis.get('return_vis') and not vis.get('vis_out_dir'):
            refuse(
                'is of the picture; give return_vis=True, vis_out_dir or '
                'out_dir, or leave it out',
                draw_bbox=vis.get('draw_bbox'),
                draw_3d=vis.get('draw_3d'),
                thickness=vis.get('thickness'),
                kpt_thr=vis.get('kpt_thr'),
            )
        fps, cuts = pre.pop('fps', None), pre.pop('cuts', None)
        self.boxes.check(batch_size=batch_size, **pre)
        source = open_source(inputs, fps)
        frames = shots_of(source, cuts)
        reader = self.boxes.read(source, frames, batch_size, **pre)
        self.last_run = run = VideoRun(
            announced_frames=source.num_frames,
            fps=float(source.fps),
            vis_path=out_path(vis.pop('vis_out_dir', None), source, '.mp4'),
            pred_path=out_path(
                post.pop('pred_out_dir', None), source, '.json'
            ),
        )
        metainfo = self.dataset_meta
        if self.lifter is not None:
            metainfo = dict(metainfo, keypoints_3d=self.lifter.description())
        output = VideoOutput(
            run, source, metainfo, return_datasamples=return_datasamples, **vis
        )
        return self._run(source, run, reader, output)

    def _stages(self, fps: float, with_ids: bool) -> list[Stage]:
        """What a frame goes through, whose people may have ids already."""
        tracker = None if with_ids else self.tracker
        after_poses = tracker is not None and tracker.uses_keypoints
        stages: list[Stage] = []
        if not after_poses:
            stages.append(TrackStage(tracker, self.bbox_smoothing, fps))
        stages.append(
            EstimateStage(
                self.estimator,
                self.pipeline,
                self.dataset_meta,
                tracker if after_poses else None,
            )
        )
        if self.refiner is not None:
            stages.append(self.refiner)
        if self.smoothing is not None:
            stages.append(SmoothStage(self.smoothing, fps))
        stages.append(BridgeStage(len(self.dataset_meta['keypoint_id2name'])))
        if self.lifter is not None:
            stages.append(LiftStage(self.lifter))
        return stages

    def _run(
        self,
        source: FrameSource,
        run: VideoRun,
        reader: FrameReader,
        output: VideoOutput,
    ) -> Iterator[dict]:
        stages = self._stages(run.fps, reader.with_ids)
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
