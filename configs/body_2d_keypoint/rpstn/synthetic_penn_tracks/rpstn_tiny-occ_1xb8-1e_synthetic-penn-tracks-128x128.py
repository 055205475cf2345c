_base_ = ['./rpstn_tiny_1xb8-1e_synthetic-penn-tracks-128x128.py']

# pipelines; joints that are labelled and hidden are targets too
train_pipeline = [
    dict(step, occluded_weight=1.0)
    if step['type'] == 'GenerateClipTarget' else step
    for step in _base_.train_pipeline
]

# data loaders
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
