_base_ = ['./dsta_res50_1xb32-20e_posetrack17-256x192.py']

# model settings
model = dict(
    backbone=dict(depth=101),
    # MMPose's image model of coordinates, trained on COCO
    image_pretrained=dict(
        checkpoint='https://download.openmmlab.com/mmpose/top_down/'
        'deeppose/deeppose_res101_coco_256x192_rle-16c3d461_20220615.pth'
    ),
)
