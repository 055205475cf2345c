_base_ = ['./rpstn_tiny_1xb8-1e_synthetic-penn-tracks-128x128.py']

# model settings; JRE after two extra convolutions
model = dict(
    head=dict(
        relation=dict(
            type='RelationSequence',
            relations=[
                dict(type='ConvRefinement'),
                dict(type='JointRelationExtractor')
            ])))
