_base_ = ['./rpstn_tiny_1xb8-1e_synthetic-penn-tracks-128x128.py']

# model settings; one more convolution at the size of the kernel
model = dict(neck=dict(num_convs=5))
