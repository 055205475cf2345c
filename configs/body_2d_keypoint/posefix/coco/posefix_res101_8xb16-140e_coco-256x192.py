_base_ = ['./posefix_res50_8xb16-140e_coco-256x192.py']

# model settings
model = dict(
    backbone=dict(
        depth=101,
        init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet101'),
    )
)
