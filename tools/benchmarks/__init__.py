# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""The benchmarks of tools/benchmark.py."""
