_base_ = ['../synthetic_penn/rpstn_tiny_1xb8-1e_synthetic-penn-128x128.py']

# The base of the ablations: people rendered along real trajectories, see
# docs/data_card.md. Every variant beside this file overrides nothing but what
# its name says.

# the image model that the runs of the same seed start from
model = dict(
    image_pretrained=dict(
        checkpoint='work_dirs/td-hm_tiny_1xb16-4e_synthetic-penn-tracks-128x128'
        '/epoch_4.pth'))

# data loaders
data_root = 'data/synthetic_penn_tracks/'
train_dataloader = dict(dataset=dict(data_root=data_root))
val_dataloader = dict(dataset=dict(data_root=data_root))
test_dataloader = val_dataloader
