_base_ = ['./rpstn_tiny-occ_1xb8-1e_synthetic-penn-tracks-128x128.py']

# model settings; an extension, not of the paper: hidden joints are targets
# too (rpstn_tiny-occ), and a gate keeps the heatmaps of the frame before
model = dict(memory=dict(type='GatedHeatmapMemory', num_joints=13))
