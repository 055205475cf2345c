# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Write a synthetic data set in the format of JHMDB."""

from pathlib import Path
from typing import List, Optional

from rpstn_mmpose.synthetic.command_line import run_tool


def main(argv: Optional[List[str]] = None) -> None:
    """Run the tool."""
    run_tool('generate_jhmdb', 'JHMDB', Path(__file__).name, argv)


if __name__ == '__main__':
    main()
