# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""tools/model_converters: files in, files out, and files that are refused."""

import os

import pytest
import torch
from mmengine.config import Config
from mmpose.registry import MODELS

from rpstn_mmpose.checkpoints.safe_checkpoint import load_weights
from rpstn_mmpose.engine.hooks.checkpoint_guard_hook import (
    check_checkpoint_matches,
)
from rpstn_mmpose.recipes import configs_dir
from tests.test_systems.test_dcpose.released_dcpose import (
    released_state as dcpose_state,
)
from tests.test_systems.test_posewarper.released_posewarper import (
    released_state,
)
from tests.test_systems.test_rpstn.released_rpstn import (
    image_model_entries,
    random_weights,
    released_entries,
)

from .load_tool import load_tool

released = load_tool('model_converters/rpstn_released_to_mmpose.py')
mpii = load_tool('model_converters/mpii_sbl_to_rpstn.py')
posewarper = load_tool('model_converters/posewarper_released_to_mmpose.py')
dcpose = load_tool('model_converters/dcpose_released_to_mmpose.py')
TOOLS = {
    'released': released,
    'mpii': mpii,
    'posewarper': posewarper,
    'dcpose': dcpose,
}
SOURCES = [
    ('released', 'penn_best.pth.tar'),
    ('mpii', 'pose_resnet_18.pth.tar'),
    ('posewarper', 'final_state.pth'),
    ('dcpose', 'dcpose.pth'),
]


class RunsCode:
    """Unpickled by a careless reader, it makes the file that it names."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.fixture(scope='module')
def files(tmp_path_factory):
    """Checkpoints as the authors and Microsoft's code save them."""
    folder = tmp_path_factory.mktemp('checkpoints')
    penn = random_weights(released_entries(13))
    torch.save(dict(state_dict=penn), folder / 'penn_best.pth.tar')
    sbl = random_weights(image_model_entries(18, joints=16))
    torch.save(sbl, folder / 'pose_resnet_18.pth.tar')
    warper = released_state(width=8, inner=4, blocks=2)
    torch.save(warper, folder / 'final_state.pth')
    corrector = dcpose_state(width=8, residual=4, inner=4, blocks=(1, 1, 1))
    torch.save(corrector, folder / 'dcpose.pth')
    return folder


def test_released_checkpoint(files, tmp_path, capsys):
    """What it prints, and that the guard lets the file into the recipe that
    is named. The folder of OUT is made."""
    out = tmp_path / 'weights' / 'penn.pth'
    released.main([str(files / 'penn_best.pth.tar'), str(out)])
    text = capsys.readouterr().out
    recipe = (
        'configs/body_2d_keypoint/rpstn/penn_action/'
        'rpstn_res18_1xb8-100e_penn-256x256-released.py'
    )
    assert f'test it: python tools/test.py {recipe} {out}\n' in text
    assert 'ResNet-18 initializer, ResNet-18 extractor' in text
    assert (
        'use them either: non_local_conv2d.phi, non_local_conv2d.theta' in text
    )
    checkpoint = load_weights(out)
    config = Config.fromfile(configs_dir().parent / recipe)
    model = MODELS.build(config.model)
    assert check_checkpoint_matches(model, checkpoint, str(out)) == 1
    source = torch.load(files / 'penn_best.pth.tar')['state_dict']
    assert torch.equal(
        model.head.norm.running_var, source['module.bn_u.running_var']
    )
    meta = checkpoint['meta']['dataset_meta']
    assert meta['dataset_name'] == 'penn_action'
    assert os.listdir(out.parent) == ['penn.pth']  # nothing half-written


def test_released_checkpoint_of_two_depths(tmp_path, capsys):
    entries = released_entries(15, initializer=18, extractor=34)
    path, out = tmp_path / 'in.pth', tmp_path / 'out.pth'
    torch.save({k: torch.zeros(s) for k, s in entries.items()}, path)
    released.main([str(path), str(out), '--dataset', 'jhmdb'])
    text = capsys.readouterr().out
    assert (
        'jhmdb/rpstn_res50_1xb8-100e_jhmdb-sub1-256x256-released.py '
        f'{out} --cfg-options model.backbone.depth=34 '
    ) in text
    assert 'test_dataloader.dataset.sub=2' in text


def test_mpii_checkpoint(files, tmp_path, capsys):
    out = tmp_path / 'start.pth'
    mpii.main(
        [str(files / 'pose_resnet_18.pth.tar'), str(out), '--dataset', 'jhmdb']
    )
    text = capsys.readouterr().out
    assert "ResNet-18, from Microsoft's naming" in text
    assert 'model.data_preprocessor.bgr_to_rgb=False' in text
    assert '  belly            from pelvis\n' in text
    state = load_weights(out)['state_dict']
    source = torch.load(files / 'pose_resnet_18.pth.tar')
    final = state['initializer.head.final_layer.bias']
    assert final.shape == (15,)
    assert final[1] == source['final_layer.bias'][6]  # belly from pelvis
    assert torch.equal(
        state['backbone.layer4.1.conv2.weight'],
        source['layer4.1.conv2.weight'],
    )


def refused(tool, *arguments):
    with pytest.raises(SystemExit) as info:
        tool.main([str(a) for a in arguments])
    message = str(info.value)
    assert info.value.code not in (0, None)
    assert '\n' not in message and message.count('error: ') == 1
    return message


@pytest.mark.parametrize('tool,source', SOURCES)
def test_files_that_are_refused(tool, source, files, tmp_path):
    """One line that names the file; nothing is written or run."""
    out = tmp_path / 'out.pth'
    run = TOOLS[tool]
    assert 'no.pth: no such file' in refused(run, tmp_path / 'no.pth', out)

    whole = (files / source).read_bytes()
    for size in (0, 1000, len(whole) // 2, len(whole) - 100):
        short = tmp_path / f'short{size}.pth'
        short.write_bytes(whole[:size])
        assert (
            f'{short} cannot be read as a checkpoint: it is cut short'
            in refused(run, short, out)
        )

    text = tmp_path / 'text.pth'
    text.write_text('<html>404</html>')
    assert f'{text} cannot be read' in refused(run, text, out)

    hostile = tmp_path / 'hostile.pth'
    torch.save(dict(state_dict=RunsCode(tmp_path / 'it_ran')), hostile)
    message = refused(run, hostile, out)
    assert f'{hostile} was refused: it asks for ' in message
    assert not (tmp_path / 'it_ran').exists()

    foreign = tmp_path / 'foreign.pth'
    torch.save(dict(state_dict=dict(weight=torch.zeros(3))), foreign)
    assert f'{foreign}: it is not a' in refused(run, foreign, out)
    torch.save([torch.zeros(3)], foreign)
    assert f'{foreign} holds a list' in refused(run, foreign, out)
    assert not out.exists()


def test_the_other_tools_file(files, tmp_path):
    out = tmp_path / 'out.pth'
    assert 'not a checkpoint of the released RPSTN' in refused(
        released, files / 'pose_resnet_18.pth.tar', out
    )
    assert 'not a SimpleBaseline' in refused(
        mpii, files / 'penn_best.pth.tar', out
    )


def test_wrong_dataset(files, tmp_path, capsys):
    out = tmp_path / 'out.pth'
    message = refused(
        released, files / 'penn_best.pth.tar', out, '--dataset', 'jhmdb'
    )
    assert 'it has 13 joints, so it was trained on penn, not on jhmdb' in (
        message
    )
    with pytest.raises(SystemExit) as info:
        released.main(['in.pth', 'out.pth', '--dataset', 'coco'])
    assert info.value.code == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and "invalid choice: 'coco'" in lines[0]
    assert not out.exists()


@pytest.mark.parametrize('tool,source', SOURCES)
def test_places_that_cannot_be_written(tool, source, files, tmp_path):
    kept = tmp_path / 'kept.pth'
    kept.write_text('weights of a year')
    message = refused(TOOLS[tool], files / source, kept)
    assert f'{kept} exists and is not overwritten' in message
    assert kept.read_text() == 'weights of a year'
    # a file stands where the folder should be, which stops root as well
    message = refused(TOOLS[tool], files / source, kept / 'out.pth')
    assert f'cannot write {kept / "out.pth"}' in message
    assert kept.read_text() == 'weights of a year'
    assert os.listdir(tmp_path) == ['kept.pth']


@pytest.mark.parametrize(
    'name, source, line',
    [
        (
            'posewarper',
            'final_state.pth',
            "from the authors' naming, HRNet-W8",
        ),
        ('dcpose', 'dcpose.pth', 'tensors, HRNet-W8'),
    ],
)
def test_window_systems_checkpoint(
    name, source, line, files, tmp_path, capsys
):
    """The recipe that is printed builds the network, with its options."""
    out = tmp_path / 'out.pth'
    TOOLS[name].main([str(files / source), str(out)])
    text = capsys.readouterr().out
    assert line in text
    command = text.split('test it: python tools/test.py ')[1].split()
    recipe, weights, option, *options = command
    assert weights == str(out) and option == '--cfg-options'
    config = Config.fromfile(configs_dir().parent / recipe)
    values = dict(item.split('=') for item in options)
    config.merge_from_dict(
        {
            key: [int(n) for n in value.split(',')]
            if ',' in value
            else int(value)
            for key, value in values.items()
        }
    )
    checkpoint = load_weights(out)
    model = MODELS.build(dict(config.model, image_pretrained=None))
    assert check_checkpoint_matches(model, checkpoint, str(out)) == 1
    meta = checkpoint['meta']['dataset_meta']
    assert meta['dataset_name'] == 'posetrack18'


def test_posewarper_refuses_stage_1(tmp_path):
    """The image model alone would be tested with a random warper."""
    path, out = tmp_path / 'stage1.pth', tmp_path / 'out.pth'
    state = released_state(width=8, inner=4, blocks=2)
    torch.save(
        {
            k: v
            for k, v in state.items()
            if not k.startswith(('offset', 'deform'))
        },
        path,
    )
    message = refused(posewarper, path, out)
    assert f'{path}: it has no weights of a warper' in message
    assert 'image_pretrained' in message and not out.exists()


def test_posewarper_of_other_joints(tmp_path):
    path = tmp_path / 'in.pth'
    torch.save(released_state(joints=15, width=8, inner=4, blocks=1), path)
    message = refused(posewarper, path, tmp_path / 'out.pth')
    assert '15 joints, and 17 are needed' in message
