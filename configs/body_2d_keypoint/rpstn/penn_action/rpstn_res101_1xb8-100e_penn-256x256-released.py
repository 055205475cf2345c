_base_ = ['./rpstn_res50_1xb8-100e_penn-256x256-released.py']

# model settings
model = dict(
    backbone=dict(depth=101), initializer=dict(backbone=dict(depth=101)))
