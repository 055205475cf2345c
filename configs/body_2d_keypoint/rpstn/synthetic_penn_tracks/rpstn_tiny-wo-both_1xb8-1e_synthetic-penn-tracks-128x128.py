_base_ = ['./rpstn_tiny-wo-jrpsp_1xb8-1e_synthetic-penn-tracks-128x128.py']

# model settings; what is left is a SimpleBaseline that sees clips
model = dict(head=dict(relation=None, norm_cfg=None))
