_base_ = ['./rpstn_res50_1xb8-100e_jhmdb-sub1-256x256.py']

# model settings; MMPose publishes no MPII model with ResNet-18, so that its
# backbones start from ImageNet
imagenet = dict(type='Pretrained', checkpoint='torchvision://resnet18')
model = dict(
    backbone=dict(depth=18, init_cfg=imagenet),
    feature_neck=dict(in_channels=512),
    initializer=dict(
        backbone=dict(depth=18, init_cfg=imagenet), head=dict(in_channels=512)
    ),
    image_pretrained=None,
)
