_base_ = ['./rpstn_tiny-wo-both_1xb8-1e_synthetic-penn-tracks-128x128.py']

# model settings; with the image model of the same backbone
model = dict(
    backbone=dict(depth=34),
    image_pretrained=dict(
        checkpoint='work_dirs/td-hm_tiny-res34_1xb16-6e_synthetic-penn-'
        'tracks-128x128/epoch_6.pth'))
