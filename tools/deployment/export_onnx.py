# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Export a video model, to be run frame by frame, as two ONNX graphs."""

from __future__ import annotations

import argparse
import sys
import warnings
from pathlib import Path
from typing import List, Optional

warnings.filterwarnings('ignore')  # other packages' deprecations


def parse_args(argv: Optional[List[str]] = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='recipe or config file')
    parser.add_argument('checkpoint', help='its checkpoint')
    parser.add_argument('out', help='folder to write to')
    parser.add_argument(
        '--people',
        type=int,
        default=1,
        help='crops that a graph takes at once (default: 1)',
    )
    return parser.parse_args(argv)


def main(argv: Optional[List[str]] = None) -> int:
    args = parse_args(argv)
    try:
        from mmengine.config import Config
        from mmengine.registry import init_default_scope
        from mmpose.registry import MODELS

        import rpstn_mmpose
        from rpstn_mmpose.engine import load_weights
        from rpstn_mmpose.engine.hooks.checkpoint_guard_hook import (
            check_checkpoint_matches,
        )
        from rpstn_mmpose.speed.fast_inference import fuse_conv_bn
        from rpstn_mmpose.speed.onnx_export import export_streaming

        config = args.config
        if not Path(config).is_file():
            config = rpstn_mmpose.config_path(config)
        cfg = Config.fromfile(config)
        init_default_scope('mmpose')
        cfg.model.image_pretrained = None
        model = MODELS.build(cfg.model).eval()
        check_checkpoint_matches(
            model,
            load_weights(args.checkpoint, map_location='cpu'),
            args.checkpoint,
        )
        fuse_conv_bn(model)
        paths = export_streaming(model, args.out, people=args.people)
    except (OSError, ValueError, ImportError, RuntimeError) as error:
        print(f'export_onnx: {error}', file=sys.stderr)
        return 1
    for path in paths:
        print(f'Written: {path}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
