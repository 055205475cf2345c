_base_ = ['./rpstn_tiny_1xb8-1e_synthetic-penn-tracks-128x128.py']

# model settings; an extension, not of the paper
model = dict(neck=dict(type='MemoryJRPSPNeck', memory_channels=24))
