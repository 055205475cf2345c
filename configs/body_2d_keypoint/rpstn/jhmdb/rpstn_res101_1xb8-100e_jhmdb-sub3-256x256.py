_base_ = ['./rpstn_res50_1xb8-100e_jhmdb-sub1-256x256.py']

# model settings
model = dict(
    backbone=dict(depth=101),
    initializer=dict(backbone=dict(depth=101)),
    image_pretrained=dict(
        checkpoint='https://download.openmmlab.com/mmpose/top_down/resnet/'
        'res101_mpii_256x256-416f5d71_20200812.pth'
    ),
)

# data loaders
train_dataloader = dict(dataset=dict(sub=3))
val_dataloader = dict(dataset=dict(sub=3))
test_dataloader = val_dataloader
