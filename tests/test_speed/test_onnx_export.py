# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import pytest
import torch
from mmpose.registry import MODELS

from rpstn_mmpose.models import with_memory
from rpstn_mmpose.speed.onnx_export import export_streaming
from tests.test_models.conftest import tiny_image_model, tiny_video_model

PEOPLE = 2


def needs_onnx():
    """onnx and onnxscript write the graphs, onnxruntime runs them."""
    for name in ('onnx', 'onnxscript', 'onnxruntime'):
        pytest.importorskip(
            name, reason=f'{name} is not installed; pip install {name}'
        )


@pytest.mark.slow  # torch's exporter takes 15 seconds for a tiny network
def test_frame_by_frame_as_the_model_on_the_clip(tmp_path):
    needs_onnx()
    import onnxruntime

    neck = dict(tiny_video_model()['neck'], residual_kernel=True)
    torch.manual_seed(0)
    model = MODELS.build(tiny_video_model(neck=neck)).eval()
    for parameter in model.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.1)
    first, following = (
        onnxruntime.InferenceSession(str(path))
        for path in export_streaming(model, tmp_path, people=PEOPLE)
    )
    clips = torch.randn(PEOPLE, 4, 3, 64, 64)
    with torch.no_grad():
        expected = model(clips, None, mode='tensor')
    heatmaps, feats = first.run(
        ['heatmaps', 'feats'], dict(image=clips[:, 0].numpy())
    )
    for t in range(4):
        if t > 0:
            heatmaps, feats = following.run(
                ['heatmaps', 'feats'],
                dict(
                    image=clips[:, t].numpy(),
                    prev_feats=feats,
                    prev_heatmaps=heatmaps,
                ),
            )
        torch.testing.assert_close(
            torch.from_numpy(heatmaps), expected[:, t], rtol=0, atol=1e-3
        )
        assert expected[:, t].abs().max() > 0.01  # so 1e-3 says something


@pytest.mark.slow
def test_a_learned_memory(tmp_path):
    """On an image model, with all of its state: the clip's heatmaps."""
    needs_onnx()
    import onnxruntime

    torch.manual_seed(0)
    memory = dict(type='LearnedHeatmapMemory', num_joints=3, channels=4)
    model = MODELS.build(with_memory(tiny_image_model(), memory)).eval()
    for parameter in model.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.1)
    first, following = (
        onnxruntime.InferenceSession(str(path))
        for path in export_streaming(model, tmp_path)
    )
    clip = torch.randn(1, 3, 3, 64, 64)
    with torch.no_grad():
        expected = model(clip, None, mode='tensor')[0]
    given = {}
    for frame, session in zip(range(3), (first, following, following)):
        found = session.run(None, dict(given, image=clip[:, frame].numpy()))
        names = [output.name for output in session.get_outputs()]
        given = {f'prev_{name}': item for name, item in zip(names, found)}
        # What is not used is no input of the graph.
        wanted = {item.name for item in following.get_inputs()}
        given = {k: v for k, v in given.items() if k in wanted}
        torch.testing.assert_close(
            torch.from_numpy(found[names.index('heatmaps')][0]),
            expected[frame],
            rtol=1e-3,
            atol=1e-4,
        )
    with torch.no_grad():
        alone = model(clip[:, 2:], None, mode='tensor')[0, 0]
    assert not torch.allclose(expected[2], alone, atol=1e-2)


def test_what_cannot_be_exported(tmp_path):
    with pytest.raises(ValueError, match='no state'):
        export_streaming(MODELS.build(tiny_image_model()).eval(), tmp_path)
    per_frame = tiny_video_model(neck=None, initializer='features')
    with pytest.raises(ValueError, match='no state'):
        export_streaming(MODELS.build(per_frame).eval(), tmp_path)
    model = MODELS.build(tiny_video_model())
    with pytest.raises(ValueError, match='model.eval'):
        export_streaming(model.train(), tmp_path)
    with pytest.raises(ValueError, match='people'):
        export_streaming(model.eval(), tmp_path, people=0)
