_base_ = ['./rpstn_res50_8xb8-100e_posetrack18-256x256.py']

# model settings; HRNet's own 32 channels at 64 x 64 are the features, no
# deconvolution and no projection stands between them and the recurrence
hrnet_w32 = dict(
    _delete_=True,
    type='HRNet',
    in_channels=3,
    extra=dict(
        stage1=dict(
            num_modules=1,
            num_branches=1,
            block='BOTTLENECK',
            num_blocks=(4,),
            num_channels=(64,),
        ),
        stage2=dict(
            num_modules=1,
            num_branches=2,
            block='BASIC',
            num_blocks=(4, 4),
            num_channels=(32, 64),
        ),
        stage3=dict(
            num_modules=4,
            num_branches=3,
            block='BASIC',
            num_blocks=(4, 4, 4),
            num_channels=(32, 64, 128),
        ),
        stage4=dict(
            num_modules=3,
            num_branches=4,
            block='BASIC',
            num_blocks=(4, 4, 4, 4),
            num_channels=(32, 64, 128, 256),
        ),
    ),
)
model = dict(
    backbone=hrnet_w32,
    feature_neck=None,
    initializer=dict(
        backbone=hrnet_w32, head=dict(in_channels=32, deconv_out_channels=None)
    ),
    neck=dict(in_channels=32),
    head=dict(in_channels=32),
    image_pretrained=dict(
        checkpoint='https://download.openmmlab.com/mmpose/top_down/hrnet/'
        'hrnet_w32_mpii_256x256-6c4f923f_20200812.pth'
    ),
)
