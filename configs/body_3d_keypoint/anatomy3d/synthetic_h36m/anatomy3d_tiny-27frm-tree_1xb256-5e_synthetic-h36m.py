_base_ = ['./anatomy3d_tiny-27frm_1xb256-5e_synthetic-h36m.py']

# model settings; Eq. 1 of the paper
model = dict(head=dict(fusion='tree'))
