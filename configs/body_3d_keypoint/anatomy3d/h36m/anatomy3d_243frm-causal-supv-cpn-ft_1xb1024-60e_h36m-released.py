# The causal network with the authors' arithmetic, but for the lengths of bones
# from the 51st frame on: they come from all frames so far, not from 50 drawn.
_base_ = ['./anatomy3d_243frm-causal-supv-cpn-ft_1xb1024-60e_h36m.py']
