_base_ = ['./rpstn_res50_8xb8-100e_hieve-256x256.py']

# model settings; DKD as RPSTN's paper compares it: its propagator has three
# convolutions, and no relation follows. DKD's own paper also trains against a
# temporal discriminator, which is left out.
model = dict(neck=dict(num_convs=3), head=dict(relation=None))
