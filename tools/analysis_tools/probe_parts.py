# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Tell how much the parts of a trained video model do: what the relation
adds to the heatmaps, how much JRPSP's kernels differ from clip to clip, and
what the memory's gate lets through."""

from __future__ import annotations

import argparse
import sys
from typing import Dict, List, Optional


def parse_args(argv: Optional[List[str]] = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config of a video model')
    parser.add_argument('checkpoint', help='its checkpoint')
    parser.add_argument(
        '--clips',
        type=int,
        default=24,
        help='test clips, evenly over the data set (default: 24)',
    )
    parser.add_argument(
        '--data-root', help="folder of the data, instead of the config's"
    )
    args = parser.parse_args(argv)
    if args.clips < 2:
        parser.error(f'--clips must be at least 2, got {args.clips}')
    return args


if __name__ == '__main__':
    # Help and wrong options do not wait for the imports below.
    parse_args()

import numpy as np
import torch

from rpstn_mmpose.visualization import load_model_and_dataset


def run_and_record(model, batch: dict) -> Dict[str, list]:
    """Run a batch of clips and keep what goes through the parts.

    Args:
        model (nn.Module): A VideoTopdownPoseEstimator in eval mode.
        batch (dict): ``inputs`` (list of clips) and ``data_samples``.

    Returns:
        dict: One entry per call: ``relation`` holds pairs (before, after),
        B x K x h x w; ``kernels`` what the kernel generator gave,
        B x C x kh x kw; ``gates`` B x K x h x w.
    """
    records = dict(relation=[], kernels=[], gates=[])
    hooks = []

    def watch(module, record) -> None:
        if module is not None:
            hooks.append(module.register_forward_hook(record))

    watch(
        model.head.relation,
        lambda module, args, out: records['relation'].append((args[0], out)),
    )
    watch(
        getattr(model.neck, 'kernel_generator', None)
        if model.with_neck
        else None,
        lambda module, args, out: records['kernels'].append(out),
    )
    watch(
        getattr(model.memory, 'gate', None),
        lambda module, args, out: records['gates'].append(out.sigmoid()),
    )
    try:
        with torch.no_grad():
            data = model.data_preprocessor(batch)
            model(data['inputs'], None, mode='tensor')
    finally:
        for hook in hooks:
            hook.remove()
    return records


def relation_facts(relation, records: list) -> Dict[str, float]:
    """Size of what the relation adds, and what its weights look like."""
    before, after = (torch.cat(x) for x in zip(*records))
    facts = {
        'relation: change of the heatmaps, of their norm': float(
            (after - before).norm() / before.norm()
        )
    }
    if hasattr(relation, 'relational_weights'):
        weights = relation.relational_weights(before).double()
        entropy = -(weights * weights.clamp_min(1e-300).log()).sum(-1).mean()
        facts['relation: weight of a joint for itself, mean'] = float(
            weights.diagonal(dim1=1, dim2=2).mean()
        )
        facts['relation: entropy of the weights, 1 = all equal'] = float(
            entropy / np.log(weights.shape[-1])
        )
    return facts


def kernel_facts(kernels: List[torch.Tensor]) -> Dict[str, float]:
    """Spread of the generated kernels over clips, beside their size."""
    spread = torch.stack([k.std(dim=0).mean() for k in kernels]).mean()
    size = torch.stack([k.mean(dim=0).abs().mean() for k in kernels]).mean()
    return {
        'kernel: mean weight over clips, size': float(size),
        'kernel: spread of a weight between clips': float(spread),
    }


def gate_facts(gates: List[torch.Tensor], samples: list) -> Dict[str, float]:
    """The gate at the true place of visible and of hidden joints."""
    height, width = gates[0].shape[2:]
    found = dict(visible=[], hidden=[])
    for row, sample in enumerate(samples):
        truth = sample.gt_instances
        centre = sample.metainfo['input_center']
        scale = sample.metainfo['input_scale']
        corner = np.asarray(centre) - np.asarray(scale) / 2
        places = (truth.keypoints - corner) / scale * (width, height)
        seen = np.asarray(truth.keypoints_visible) > 0
        hidden = (np.asarray(truth.keypoints_labeled) > 0) & ~seen
        for frame, gate in enumerate(gates, 1):
            for kind, wanted in (('visible', seen), ('hidden', hidden)):
                for joint in np.flatnonzero(wanted[frame]):
                    x, y = np.round(places[frame, joint]).astype(int)
                    if 0 <= x < width and 0 <= y < height:
                        found[kind].append(float(gate[row, joint, y, x]))
    return {
        f'memory: gate at {kind} joints, mean': float(np.mean(values))
        for kind, values in found.items()
        if values
    }


def main(argv: Optional[List[str]] = None) -> None:
    args = parse_args(argv)
    try:
        model, dataset = load_model_and_dataset(
            args.config, args.checkpoint, data_root=args.data_root
        )
        count = min(args.clips, len(dataset))
        picks = np.linspace(0, len(dataset) - 1, count).astype(int)
        samples = [dataset[i] for i in picks]
    except (OSError, ValueError) as error:
        sys.exit(f'probe_parts: {error}')
    if not hasattr(model, 'start_from'):
        sys.exit(
            f'probe_parts: {args.config} is no video model; give a '
            'config of a VideoTopdownPoseEstimator'
        )
    batch = dict(
        inputs=[sample['inputs'] for sample in samples],
        data_samples=[sample['data_samples'] for sample in samples],
    )
    records = run_and_record(model.eval(), batch)
    facts = {}
    if records['relation']:
        facts.update(relation_facts(model.head.relation, records['relation']))
    if records['kernels']:
        facts.update(kernel_facts(records['kernels']))
    if records['gates']:
        facts.update(gate_facts(records['gates'], batch['data_samples']))
    if not facts:
        sys.exit(
            f'probe_parts: {args.config} has neither relation, kernels '
            'nor memory'
        )
    for name, value in facts.items():
        print(f'{name:52s} {value:.3f}')


if __name__ == '__main__':
    main()
