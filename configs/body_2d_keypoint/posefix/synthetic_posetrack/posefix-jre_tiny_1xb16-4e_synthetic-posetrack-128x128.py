_base_ = ['./posefix_tiny_1xb16-4e_synthetic-posetrack-128x128.py']

# model settings
model = dict(head=dict(relation=dict(type='JointRelationExtractor')))
