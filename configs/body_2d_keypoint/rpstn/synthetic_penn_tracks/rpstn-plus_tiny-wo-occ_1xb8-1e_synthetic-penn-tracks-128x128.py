_base_ = ['./rpstn_tiny_1xb8-1e_synthetic-penn-tracks-128x128.py']

# model settings; the memory of rpstn-plus_tiny alone: joints that are hidden
# are no targets, as in the paper
model = dict(memory=dict(type='GatedHeatmapMemory', num_joints=13))
