_base_ = ['./rpstn_tiny_1xb8-1e_synthetic-penn-tracks-128x128.py']

# model settings
model = dict(head=dict(relation=dict(type='ConvRefinement')))
