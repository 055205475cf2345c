# Copyright (c) rpstn_mmpose contributors. All rights reserved.
