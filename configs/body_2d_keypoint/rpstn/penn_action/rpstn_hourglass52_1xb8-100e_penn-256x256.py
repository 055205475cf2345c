_base_ = ['./rpstn_res50_1xb8-100e_penn-256x256.py']

# model settings; the hourglass gives 256 channels at 64 x 64 by itself
hourglass = dict(_delete_=True, type='HourglassNet', num_stacks=1)
model = dict(
    backbone=hourglass,
    feature_neck=None,
    initializer=dict(
        backbone=hourglass,
        head=dict(in_channels=256, deconv_out_channels=None),
    ),
    image_pretrained=dict(
        checkpoint='https://download.openmmlab.com/mmpose/top_down/hourglass/'
        'hourglass52_mpii_256x256-ae358435_20200812.pth'
    ),
)

# MMPose's hourglass of one stack has a layer that it never uses
find_unused_parameters = True
