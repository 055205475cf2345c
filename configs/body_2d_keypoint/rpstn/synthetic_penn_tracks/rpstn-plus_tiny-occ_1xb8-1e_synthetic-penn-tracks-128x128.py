_base_ = ['./rpstn_tiny-occ_1xb8-1e_synthetic-penn-tracks-128x128.py']

# model settings; those of rpstn-plus_tiny
model = dict(neck=dict(type='MemoryJRPSPNeck', memory_channels=24))
