_base_ = ['./rpstn_tiny_1xb8-1e_synthetic-penn-tracks-128x128.py']

# model settings; the arithmetic of the authors' code (docs/conventions.md).
# The normalized input, which the weights of stage 1 expect, and the kernel
# that starts as the unit impulse stay those of the base.
model = dict(
    neck=dict(feature_norm=True, project_features=True),
    head=dict(
        relation=dict(type='JointRelationExtractor', arithmetic='released'),
        norm_before=True,
        first_frame_norm='shared'))
