# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Train a memory of heatmaps on videos that an image model has not seen."""

import argparse
import sys
import time
from pathlib import Path

# Files of the folder.
MAPS, LABELS, STATE = 'heatmaps.npy', 'labels.npz', 'training.pth'
WEIGHTS = 'memory.pth'
SAVE_EVERY = 50


def parse_args(args=None):
    parser = argparse.ArgumentParser(
        description='Keep the heatmaps that a model gives for the frames of '
        'videos, and train a LearnedHeatmapMemory on them: it starts as the '
        'running mean of weight 0.5 and confidence 2, and the model stays as '
        'it is. Called again, it goes on where it was stopped.',
        epilog='The videos should not be those that the model was trained '
        'on, where it is right too often: make_synthetic_penn.py with another '
        '--seed shows the same motion by other people. Test it with '
        'tools/test.py CONFIG CHECKPOINT --cfg-options '
        'model.memory.type=LearnedHeatmapMemory model.memory.num_joints=K '
        'model.memory.weights=OUT/memory.pth',
    )
    parser.add_argument('config', help='recipe or config file of clips')
    parser.add_argument('checkpoint', help='its checkpoint')
    parser.add_argument('out', help='folder for heatmaps and weights')
    parser.add_argument(
        '--data-root', required=True, help='videos in the format of the config'
    )
    parser.add_argument(
        '--clip-length',
        type=int,
        default=20,
        help='frames of a clip (default: 20)',
    )
    parser.add_argument(
        '--steps', type=int, default=600, help='batches (default: 600)'
    )
    parser.add_argument(
        '--batch-size', type=int, default=12, help='clips (default: 12)'
    )
    parser.add_argument(
        '--frames',
        type=int,
        default=8,
        help='frames of a clip in a batch (default: 8)',
    )
    parser.add_argument(
        '--lr', type=float, default=2e-3, help='at most (default: 0.002)'
    )
    parser.add_argument(
        '--hidden-weight',
        type=float,
        default=3.0,
        help='of joints that are not seen in the loss (default: 3)',
    )
    parser.add_argument('--seed', type=int, default=0, help='(default: 0)')
    return parser.parse_args(args)


def load_model(args):
    """The model, every frame by itself, and its videos."""
    from mmengine.config import Config
    from mmengine.registry import init_default_scope
    from mmpose.registry import DATASETS, MODELS

    import rpstn_mmpose
    from rpstn_mmpose.engine import load_weights
    from rpstn_mmpose.engine.hooks.checkpoint_guard_hook import (
        check_checkpoint_matches,
    )

    config = args.config
    if not Path(config).is_file():
        config = rpstn_mmpose.config_path(config)
    cfg = Config.fromfile(config)
    init_default_scope('mmpose')
    cfg.model.image_pretrained = None
    if cfg.model.get('memory'):
        cfg.model.memory = dict(type='RecursiveHeatmapMean', weight=0.0)
    model = MODELS.build(cfg.model).eval()
    check_checkpoint_matches(
        model,
        load_weights(args.checkpoint, map_location='cpu'),
        args.checkpoint,
    )
    videos = DATASETS.build(
        dict(
            cfg.test_dataloader.dataset,
            data_root=args.data_root,
            split='train',
            clip_length=args.clip_length,
        )
    )
    return model, videos


def labels_of(sample, step):
    """Keypoints (T, K, 2) in pixels of the maps, and (T, K) bool whether they
    are labelled, and seen.
    """
    import numpy as np

    from rpstn_mmpose.models.pose_estimators.crops import crops_of

    truth, crops = sample.gt_instances, crops_of([sample])[0][:, None]
    places = (truth.keypoints - crops[..., :2]) / crops[..., 2:] + 0.5
    frames, count = places.shape[:2]
    seen = np.reshape(truth.keypoints_visible, (frames, count, -1))[..., 0] > 0
    labeled = truth.get('keypoints_labeled')
    labeled = seen if labeled is None else seen | (labeled > 0)
    return dict(
        places=(places / step).astype(np.float32), seen=seen, labeled=labeled
    )


def keep_heatmaps(args, out):
    """Heatmaps of all clips, and what is true of them, in files."""
    import numpy as np
    import torch
    from mmengine.dataset import pseudo_collate

    from rpstn_mmpose.models.pose_estimators.crops import map_step

    model, videos = load_model(args)
    codec = model.head.decoder
    rows, maps, started = [], None, time.time()
    for number in range(len(videos)):
        batch = model.data_preprocessor(pseudo_collate([videos[number]]))
        sample = batch['data_samples'][0]
        with torch.no_grad():
            found = model(batch['inputs'], None, mode='tensor')[0]
        if maps is None:
            maps = np.lib.format.open_memmap(
                out / MAPS,
                mode='w+',
                dtype=np.float16,
                shape=(len(videos), *found.shape),
            )
        maps[number] = found.numpy()
        rows.append(labels_of(sample, map_step(codec)))
        if number % 50 == 49:
            print(
                f'{number + 1}/{len(videos)} clips, '
                f'{time.time() - started:.0f} s',
                flush=True,
            )
    maps.flush()
    np.savez(
        out / LABELS,
        sigma=codec.sigma,
        flip_indices=sample.metainfo['flip_indices'],
        **{name: np.stack([row[name] for row in rows]) for name in rows[0]},
    )


class Clips:
    """Random pieces of the clips, forwards or backwards, up to twice as fast,
    mirrored, turned, of other sizes and sharpness.
    """

    def __init__(self, out, args):
        import numpy as np

        self.maps = np.load(out / MAPS, mmap_mode='r')
        with np.load(out / LABELS) as content:
            self.labels = {name: content[name] for name in content.files}
        self.args = args
        if args.frames > self.maps.shape[1]:
            raise ValueError(
                f'--frames {args.frames} is more than the '
                f'{self.maps.shape[1]} frames of the clips in {out}'
            )

    def piece(self, rng):
        """Heatmaps (T, K, h, w), keypoints (T, K, 2), weights (T, K)."""
        import numpy as np
        import torch

        clip = int(rng.integers(len(self.maps)))
        length, wanted = self.maps.shape[1], self.args.frames
        stride = int(rng.choice([1, 1, 2]))
        if (wanted - 1) * stride >= length:
            stride = 1
        start = int(rng.integers(length - (wanted - 1) * stride))
        rows = start + stride * np.arange(wanted)
        rows = rows[::-1] if rng.random() < 0.5 else rows
        joints = slice(None)
        mirrored = rng.random() < 0.5
        if mirrored:
            joints = self.labels['flip_indices']
        maps = self.maps[clip][rows][:, joints].astype(np.float32)
        places = self.labels['places'][clip][rows][:, joints]
        seen = self.labels['seen'][clip][rows][:, joints]
        weights = self.labels['labeled'][clip][rows][:, joints] * np.where(
            seen, 1.0, self.args.hidden_weight
        )
        if mirrored:
            maps = maps[..., ::-1]
            places = places * [-1, 1] + [maps.shape[-1] - 1, 0]
        return [
            torch.from_numpy(np.ascontiguousarray(x)).float()
            for x in (maps, places, weights)
        ]

    def batch(self, rng):
        """Heatmaps (B, T, K, h, w), targets alike, weights (B, T, K)."""
        import torch

        pieces = [self.piece(rng) for _ in range(self.args.batch_size)]
        maps, places, weights = (torch.stack(x) for x in zip(*pieces))
        maps, places = self.turned(maps, places, rng)
        width, height = maps.shape[-1], maps.shape[-2]
        limits = torch.tensor([width, height])
        inside = ((places > -0.5) & (places < limits - 0.5)).all(dim=-1)
        across, down = (
            torch.exp(
                -0.5
                * ((torch.arange(n) - places[..., i, None]) ** 2)
                / float(self.labels['sigma']) ** 2
            )
            for i, n in enumerate((width, height))
        )
        targets = down[..., :, None] * across[..., None, :]
        return maps, targets, weights * inside

    @staticmethod
    def turned(maps, places, rng):
        """The same in a crop that is turned, moved and of another size."""
        import numpy as np
        import torch
        import torch.nn.functional as F

        count = len(maps)
        sizes = rng.uniform(0.8, 1.2, count)
        angles = rng.normal(0, 0.15, count)
        half = (np.array([maps.shape[-1], maps.shape[-2]]) - 1) / 2
        shifts = rng.uniform(-0.1, 0.1, (count, 2))
        turns = np.stack(
            [np.cos(angles), -np.sin(angles), np.sin(angles), np.cos(angles)],
            axis=1,
        ).reshape(count, 2, 2)
        turns = turns * sizes[:, None, None]
        # In pixels, and back in halves of the map.
        matrices = torch.from_numpy(turns).float()
        centre = torch.from_numpy(half).float()
        moved = torch.from_numpy(shifts * 2 * half).float()
        places = (
            torch.einsum('bij,btkj->btki', matrices, places - centre)
            + centre
            + moved[:, None, None]
        )
        back = torch.linalg.inv(matrices)
        offset = -(back @ moved[..., None])
        back = back * centre[None, None] / centre[None, :, None]
        theta = torch.cat([back, offset / centre[None, :, None]], dim=2)
        flat = maps.flatten(1, 2)
        grid = F.affine_grid(
            theta, (count, 1, *maps.shape[-2:]), align_corners=True
        )
        maps = F.grid_sample(flat, grid, align_corners=True).view_as(maps)
        gains = torch.from_numpy(rng.uniform(0.85, 1.1, count)).float()
        return maps * gains.view(-1, 1, 1, 1, 1), places


def clip_loss(memory, maps, targets, weights):
    """Squared error of what the memory gives, by joint, after frame 1."""
    before, total = maps[:, 0], 0.0
    for frame in range(1, maps.shape[1]):
        before = memory(maps[:, frame], before)
        error = (before - targets[:, frame]).square().sum(dim=(2, 3))
        total = total + (error * weights[:, frame]).sum()
    return total / weights[:, 1:].sum().clamp(min=1)


def train(args, out):
    """Train the memory; its weights in a file."""
    import numpy as np
    import torch

    from rpstn_mmpose.engine import load_weights
    from rpstn_mmpose.models import LearnedHeatmapMemory

    clips = Clips(out, args)
    torch.manual_seed(args.seed)
    memory = LearnedHeatmapMemory(clips.maps.shape[2])
    optimizer = torch.optim.AdamW(
        memory.parameters(), lr=args.lr, weight_decay=1e-4
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, args.lr, total_steps=max(args.steps, 2), pct_start=0.1
    )
    parts = dict(memory=memory, optimizer=optimizer, schedule=schedule)
    done, recent, started = 0, [], time.time()
    if (out / STATE).is_file():
        state = load_weights(str(out / STATE), map_location='cpu')
        done = state.pop('done')
        for name, part in parts.items():
            part.load_state_dict(state[name])
    for step in range(done, args.steps):
        batch = clips.batch(np.random.default_rng([args.seed, step]))
        loss = clip_loss(memory, *batch)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(memory.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        recent.append(loss.item())
        if (step + 1) % SAVE_EVERY == 0 or step + 1 == args.steps:
            print(
                f'{step + 1}/{args.steps}, loss {np.mean(recent):.4f}, '
                f'{time.time() - started:.0f} s',
                flush=True,
            )
            recent.clear()
            state = {name: part.state_dict() for name, part in parts.items()}
            torch.save(dict(state, done=step + 1), out / STATE)
    torch.save(memory.state_dict(), out / WEIGHTS)


def main(args=None):
    args = parse_args(args)
    out = Path(args.out)
    try:
        out.mkdir(parents=True, exist_ok=True)
        if not (out / LABELS).is_file():
            keep_heatmaps(args, out)
        train(args, out)
    except (OSError, ValueError, KeyError) as error:
        sys.exit(f'train_memory: {" ".join(str(error).split())}')
    print(f'Written: {out / WEIGHTS}')


if __name__ == '__main__':
    main()
