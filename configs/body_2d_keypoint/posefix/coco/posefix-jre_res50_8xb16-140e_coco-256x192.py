_base_ = ['./posefix_res50_8xb16-140e_coco-256x192.py']

# model settings
model = dict(head=dict(relation=dict(type='JointRelationExtractor')))
