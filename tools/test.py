# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Test a model: MMPose's tools/test.py with the plugin's checks added."""

import sys


def main() -> int:
    # Here, so that an unfit stack is reported in one line too.
    try:
        from rpstn_mmpose.engine.stock_parser import parse_stock_args

        args = parse_stock_args('test')
        from rpstn_mmpose.engine.stock_tools import run_stock_tool
    except (FileNotFoundError, ImportError) as error:
        print(f'tools/test.py: {error}', file=sys.stderr)
        return 1
    return run_stock_tool('test', args)


if __name__ == '__main__':
    sys.exit(main())
