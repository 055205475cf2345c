# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""The papers that live here, a folder each."""
