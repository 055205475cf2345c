_base_ = ['./rpstn_res50_8xb8-100e_hieve-256x256.py']

# model settings; without JRE, the norm that followed it stays
model = dict(head=dict(relation=None))
