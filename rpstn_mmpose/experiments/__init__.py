# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Recipes, changes and seeds: trained and tested one by one, and ranked."""
