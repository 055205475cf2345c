# The network of the authors' checkpoint, whose arithmetic is the default; a
# checkpoint of tools/model_converters/anatomy3d_released_to_mmpose.py fits it.
_base_ = ['./anatomy3d_243frm-supv-cpn-ft_1xb1024-60e_h36m.py']
