# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Video in; annotated video, poses with track ids and trajectories out."""

import argparse
import dataclasses
import os
import signal
import sys
import time

TRACKERS = dict(motion='MotionTracker', byte='ByteTracker')


def parse_args(args=None):
    parser = argparse.ArgumentParser(
        description='Find, track and estimate the poses of all people of a '
        "video. Writes NAME.mp4, NAME.json (MMPose's prediction format, one "
        'line a frame, with times and track ids) and NAME_trajectories.png '
        'into the output folder. Ctrl-C and closing the terminal end with '
        'complete files of what was done.'
    )
    parser.add_argument(
        'video',
        nargs='?',
        help='video file, number of a camera, address of a stream '
        '(rtsp://...), folder of frames, or quoted pattern of frames',
    )
    parser.add_argument('--input', help='the same, e.g. --input 0')
    parser.add_argument(
        '--pose-config',
        required=True,
        help='path or name of a clip or image model',
    )
    parser.add_argument('--pose-checkpoint', help='its checkpoint')
    parser.add_argument(
        '--refiner',
        help='path or name of a model that makes the poses better, e.g. '
        'PoseFix, of the same joints',
    )
    parser.add_argument('--refiner-checkpoint', help='its checkpoint')
    parser.add_argument(
        '--lifter',
        help='path or name of a model that makes 3D poses of the 2D ones, in '
        'the .json file',
    )
    parser.add_argument('--lifter-checkpoint', help='its checkpoint')
    add_boxes(parser)
    add_following(parser)
    add_output(parser)
    add_speed(parser)
    args = parser.parse_args(args)
    if (args.video is None) == (args.input is None):
        parser.error('give the video either as VIDEO or as --input')
    args.video = args.video if args.input is None else args.input
    if sum([bool(args.det_config), bool(args.boxes), args.whole_frame]) != 1:
        parser.error('give one of --det-config, --boxes and --whole-frame')
    if args.reset_interval != 'clip':
        if not args.reset_interval.isdigit():
            parser.error("--reset-interval must be a number or 'clip'")
        args.reset_interval = int(args.reset_interval)
    check_effect(parser, args)
    return args


def add_boxes(parser):
    """Options of where people are."""
    boxes = parser.add_argument_group('boxes, one of the three')
    boxes.add_argument(
        '--det-config', help='path or name of an MMDetection detector'
    )
    boxes.add_argument(
        '--boxes',
        help='.json file: for every frame a list of boxes x1 y1 x2 y2 '
        '[score], or an object of such lists by frame number (from 0), or '
        'predictions of this tool, of MMPoseInferencer or of '
        'topdown_demo_with_mmdet.py, or results or annotations of COCO or '
        "results of AlphaPose; or MOTChallenge's .txt; or a folder of YOLO's "
        'label files. Boxes are scaled where the file tells the size of '
        'their picture; track ids are kept where every box has one',
    )
    boxes.add_argument(
        '--whole-frame',
        action='store_true',
        help='one person, who fills the frame',
    )
    both = parser.add_argument_group('with --det-config or --boxes')
    both.add_argument(
        '--det-cat-ids',
        type=int,
        nargs='+',
        help='classes of the detector, or categories of the file '
        '(default: people)',
    )
    both.add_argument(
        '--bbox-thr',
        type=float,
        help='lowest score of a box (default: 0.3, with --tracker byte 0.1; '
        'with --boxes any)',
    )
    both.add_argument(
        '--nms-thr',
        type=float,
        help='largest overlap of two boxes (default: 0.3; with --boxes any)',
    )
    parser.add_argument(
        '--boxes-first-frame',
        type=int,
        help='number that the file of --boxes gives to the first frame, 0 or '
        '1 (default: as the format or the file tells)',
    )
    detector = parser.add_argument_group('only with --det-config')
    detector.add_argument('--det-checkpoint', help="the detector's checkpoint")
    detector.add_argument(
        '--batch-size',
        type=int,
        help='frames that the detector takes at once (default: 1)',
    )


def add_following(parser):
    """Options of how people are followed."""
    parser.add_argument(
        '--tracker',
        choices=sorted(TRACKERS),
        help='motion: overlap with where people should be by now; byte: '
        'ByteTrack (default: motion, but the ids of --boxes where it has '
        'them)',
    )
    parser.add_argument(
        '--reset-interval',
        default='clip',
        help='frames after which a person starts anew, 0: never (default: '
        "the clip length of the config's test data); only with a model that "
        'carries a state from frame to frame',
    )
    parser.add_argument(
        '--smooth', action='store_true', help='1 Euro filter on the joints'
    )
    parser.add_argument(
        '--smooth-boxes',
        action='store_true',
        help='1 Euro filter on the boxes, before the crop',
    )
    parser.add_argument(
        '--memory',
        choices=('mean',),
        help='for image models: remember where hidden joints were; mean: the '
        "running mean of a person's heatmaps, which needs no training",
    )
    parser.add_argument(
        '--lookahead',
        type=int,
        help='with --memory, for recordings: frames to come that the memory '
        'reads, too, e.g. 20; poses come so many frames later',
    )
    parser.add_argument(
        '--no-cuts',
        action='store_true',
        help='follow people from one shot into the next one (default: tracks '
        'and memories begin anew where the picture changes as a whole; '
        'cameras and streams are taken as one shot)',
    )


def add_output(parser):
    """Options of what is written."""
    parser.add_argument('--out-dir', required=True, help='output folder')
    parser.add_argument(
        '--kpt-thr',
        type=float,
        default=0.3,
        help='joints with lower scores are not drawn (default: 0.3)',
    )
    parser.add_argument(
        '--draw-3d',
        action='store_true',
        help='with --lifter: draw the 3D poses beside the video, too, which '
        'becomes wider',
    )
    parser.add_argument(
        '--fps',
        type=float,
        help="frames a second (default: the video's; images: 25)",
    )
    parser.add_argument('--max-frames', type=int, help='stop after so many')


def add_speed(parser):
    """Options of what computes."""
    parser.add_argument(
        '--device', help='default: cuda where there is one, else cpu'
    )
    parser.add_argument(
        '--fast',
        choices=('float32', 'bfloat16', 'float16'),
        help='fuse and reorder the pose model, and compute in this precision '
        '(default: the model as it is; float32: the same poses up to '
        'rounding)',
    )
    parser.add_argument(
        '--compile',
        action='store_true',
        help='compile the pose model too, with --fast float32 if not given; '
        'its first frames take a minute or so: for cameras and long videos',
    )


def check_effect(parser, args):
    """End with a usage error where an option would do nothing."""
    both = '--det-config or --boxes'
    for name, needed, given in (
        ('det_checkpoint', '--det-config', args.det_config),
        ('batch_size', '--det-config', args.det_config),
        ('det_cat_ids', both, args.det_config or args.boxes),
        ('bbox_thr', both, args.det_config or args.boxes),
        ('nms_thr', both, args.det_config or args.boxes),
        ('boxes_first_frame', '--boxes', args.boxes),
    ):
        if getattr(args, name) is not None and not given:
            parser.error(f'--{name.replace("_", "-")} needs {needed}')
    if args.draw_3d and not args.lifter:
        parser.error('--draw-3d needs --lifter')
    if args.whole_frame and args.tracker:
        parser.error(
            '--tracker does nothing with --whole-frame, which is one person'
        )
    if args.whole_frame and args.smooth_boxes:
        parser.error(
            '--smooth-boxes does nothing with --whole-frame, whose '
            'box stays where it is'
        )


class StopRequest:
    """Remembers Ctrl-C until the frame is done; a second one interrupts.

    So do SIGTERM and SIGHUP, which comes when the terminal is closed; with
    nohup that goes on being ignored.
    """

    def __init__(self):
        self.asked = False
        names = ('SIGINT', 'SIGTERM', 'SIGHUP')
        self._numbers = [
            getattr(signal, name) for name in names if hasattr(signal, name)
        ]
        self._terminals = [fd for fd in (1, 2) if os.isatty(fd)]

    def __call__(self, number, _):
        if number == getattr(signal, 'SIGHUP', None):
            self._leave_terminal()
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        print(
            '\nstopping after this frame; once more to stop at once',
            file=sys.stderr,
        )

    def _leave_terminal(self):
        """What is said to a terminal that is gone would be an error."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for terminal in self._terminals:
            os.dup2(nowhere, terminal)
        os.close(nowhere)

    def __enter__(self):
        self._before = {
            number: signal.signal(number, self)
            for number in self._numbers
            if number != getattr(signal, 'SIGHUP', None)
            or signal.getsignal(number) != signal.SIG_IGN
        }
        return self

    def __exit__(self, *_):
        for number, handler in self._before.items():
            signal.signal(number, handler)


def open_input(args):
    """The video, and where its output goes, without ending."""
    from rpstn_mmpose.apis import open_source
    from rpstn_mmpose.visualization import check_output_path

    source = open_source(args.video, args.fps)
    # As it may be told: of an address, without the password.
    args.video = getattr(source, 'path', args.video)
    stem = os.path.join(args.out_dir, source.name)
    for ending in ('.mp4', '.json', '_trajectories.png'):
        path = stem + ending
        check_output_path(path, (path[path.rindex('.') :],))
        if (
            os.path.exists(path)
            and os.path.exists(args.video)
            and (os.path.samefile(path, args.video))
        ):
            raise ValueError(f'{path} is the input; choose another --out-dir')
    return source, stem


def given_boxes(args, source):
    """Those of --boxes, or None."""
    from rpstn_mmpose.apis import has_ids, load_boxes_of

    if not args.boxes:
        return None
    people = load_boxes_of(
        args.boxes, source, args.boxes_first_frame, args.det_cat_ids
    )
    if (
        people.listed
        and args.max_frames is None
        and (source.num_frames not in (None, people.num_frames))
    ):
        raise ValueError(
            f'{args.boxes} has boxes for {people.num_frames} '
            f'frames, but {args.video} has '
            f'{source.num_frames}'
        )
    if not has_ids(people) and (people.track_ids >= 0).any():
        warn(
            f'{(people.track_ids < 0).sum()} of {len(people)} boxes of '
            f'{args.boxes} have no id; all ids are given anew'
        )
    if args.tracker:
        people = dataclasses.replace(
            people, track_ids=people.track_ids * 0 - 1
        )
    return people


def build_inferencer(args):
    """The models, tracker and filters that the options tell."""
    from rpstn_mmpose.apis import VideoPoseInferencer

    one_euro = dict(type='OneEuroFilter')
    return VideoPoseInferencer(
        args.pose_config,
        args.pose_checkpoint,
        det_model='whole_image' if args.whole_frame else args.det_config,
        det_weights=args.det_checkpoint,
        det_cat_ids=None if args.boxes else args.det_cat_ids,
        bbox_thr=args.bbox_thr,
        nms_thr=args.nms_thr,
        tracker=dict(type=TRACKERS[args.tracker or 'motion']),
        smoothing=one_euro if args.smooth else None,
        bbox_smoothing=one_euro if args.smooth_boxes else None,
        reset_interval=args.reset_interval,
        device=args.device,
        fast=args.fast,
        compile=args.compile,
        memory=args.memory,
        lookahead=args.lookahead,
        lifter=args.lifter,
        lifter_weights=args.lifter_checkpoint,
        refiner=args.refiner,
        refiner_weights=args.refiner_checkpoint,
    )


def run(args):
    """Returns the exit status."""
    # Late, so that --help and usage errors are quick.
    from tqdm import tqdm

    from rpstn_mmpose.apis import TrajectoryRecorder

    source, stem = open_input(args)
    boxes = given_boxes(args, source)
    inferencer = build_inferencer(args)
    results = inferencer(
        source,
        batch_size=1 if args.batch_size is None else args.batch_size,
        bboxes=boxes,
        cuts=False if args.no_cuts else None,
        max_frames=args.max_frames,
        kpt_thr=args.kpt_thr,
        draw_3d=args.draw_3d,
        vis_out_dir=f'{stem}.mp4',
        pred_out_dir=f'{stem}.json',
    )
    recorder = TrajectoryRecorder(inferencer.dataset_meta)
    total = source.num_frames
    if args.max_frames is not None:
        total = min(args.max_frames, total or args.max_frames)
    began = time.time()
    with StopRequest() as stop:
        try:
            with tqdm(
                total=total, desc=source.name, unit='frame', disable=None
            ) as bar:
                for result in results:
                    people = result['predictions'][0]
                    if not result['damaged']:
                        recorder.add(
                            result['frame_id'], people, result['time']
                        )
                    bar.set_postfix(people=len(people), refresh=False)
                    bar.update()
                    if stop.asked:
                        break
        finally:
            results.close()
        seconds = time.time() - began
    done = inferencer.last_run
    plot_path = f'{stem}_trajectories.png'
    if recorder.paths:
        recorder.plot(plot_path, fps=done.fps, kpt_thr=args.kpt_thr)
    return summarize(args, done, recorder, plot_path, stop.asked, seconds)


def summarize(args, done, recorder, plot_path, stopped, seconds):
    """Print what was done; the exit status of it."""
    print(
        f'{done.num_frames} frames, {recorder.num_people} people, '
        f'{done.num_frames / max(seconds, 1e-9):.1f} frames a second'
    )
    for path in (
        done.vis_path,
        done.pred_path,
        plot_path if recorder.paths else '',
    ):
        if path:
            print(f'wrote {path}')
    if done.num_cuts:
        print(f'{done.num_cuts + 1} shots; people of each are others')
    if done.num_damaged:
        warn(
            f'{done.num_damaged} of {done.num_frames} frames of '
            f'{args.video} are damaged and show the frame before'
        )
    if done.cut_off:
        warn(
            f'{args.video} is cut off: {done.num_frames} of '
            f'{done.announced_frames or "its"} frames could be read; '
            'copy it again for the rest'
        )
    if stopped:
        warn(f'stopped after {done.num_frames} frames')
        return 130
    if not done.frames_with_people:
        thr = args.det_config or args.bbox_thr is not None
        lower = ', or lower --bbox-thr' if thr else ''
        warn(
            f'no person in any of the {done.num_frames} frames of '
            f'{args.video}; look at {done.vis_path}{lower}'
        )
        return 1
    return 0


def warn(text):
    print(f'topdown_video_demo: {text}', file=sys.stderr)


def main(args=None):
    args = parse_args(args)
    try:
        status = run(args)
    except KeyboardInterrupt:
        warn('interrupted')
        status = 130
    except (ImportError, KeyError, OSError, ValueError) as error:
        # One line: mmengine's messages have several.
        sys.exit('topdown_video_demo: ' + ' '.join(str(error).split()))
    if status:
        sys.exit(status)


if __name__ == '__main__':
    main()
