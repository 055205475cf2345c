_base_ = ['./rpstn_res18_1xb8-100e_jhmdb-sub1-256x256.py']

# data loaders
train_dataloader = dict(dataset=dict(sub=3))
val_dataloader = dict(dataset=dict(sub=3))
test_dataloader = val_dataloader
