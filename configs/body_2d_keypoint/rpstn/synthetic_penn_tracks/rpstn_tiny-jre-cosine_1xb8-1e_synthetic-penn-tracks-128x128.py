_base_ = ['./rpstn_tiny_1xb8-1e_synthetic-penn-tracks-128x128.py']

# model settings; weights that do not depend on the scale of the heatmaps
model = dict(
    head=dict(
        relation=dict(
            type='JointRelationExtractor',
            similarity='cosine',
            temperature=0.1,
            learn_temperature=True)))
