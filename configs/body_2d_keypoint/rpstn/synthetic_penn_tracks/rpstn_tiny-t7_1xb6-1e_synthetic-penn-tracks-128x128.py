_base_ = ['./rpstn_tiny_1xb8-1e_synthetic-penn-tracks-128x128.py']

# data loaders; 6 x 7 frames a batch, where the base has 8 x 5. Only training
# changes: the test clips stay those of the base.
train_dataloader = dict(batch_size=6, dataset=dict(clip_length=7))
