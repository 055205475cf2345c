_base_ = ['./dsta_res50_1xb32-20e_posetrack17-256x192.py']

# model settings; the code of the paper does not tell how a transformer's map
# becomes tokens: here it is averaged as a ResNet's
model = dict(
    backbone=dict(
        _delete_=True,
        type='mmpretrain.VisionTransformer',
        arch='huge',
        img_size=(256, 192),
        patch_size=16,
        qkv_bias=True,
        drop_path_rate=0.55,
        with_cls_token=False,
        out_type='featmap',
        patch_cfg=dict(padding=2),
    ),
    neck=dict(in_channels=1280),
    # MMPose's image model of heatmaps, trained on COCO
    image_pretrained=dict(
        checkpoint='https://download.openmmlab.com/mmpose/v1/'
        'body_2d_keypoint/topdown_heatmap/coco/'
        'td-hm_ViTPose-huge_8xb64-210e_coco-256x192-e32adcd4_20230314.pth'
    ),
)
