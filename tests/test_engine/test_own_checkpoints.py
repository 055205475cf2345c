# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import os

import pytest
from mmengine.fileio import LocalBackend

from rpstn_mmpose.engine.own_checkpoints import OwnCheckpoints


def own(folder, template='epoch_{}.pth') -> OwnCheckpoints:
    return OwnCheckpoints(LocalBackend(), str(folder), template)


def test_names(tmp_path):
    files = own(tmp_path)
    assert files.path(7) == str(tmp_path / 'epoch_7.pth')
    # A metric's slash is no folder.
    assert files.best_path('PCK/mPCK', 7) == str(
        tmp_path / 'best_PCK_mPCK_epoch_7.pth'
    )
    assert own(tmp_path, 'at_{:03d}').path(7) == str(tmp_path / 'at_007')


@pytest.mark.parametrize(
    'name, expected',
    [
        ('last_checkpoint', True),
        ('epoch_12.pth', True),
        ('best_acc_epoch_12.pth', True),
        ('epoch_.pth', False),
        ('epoch_x.pth', False),
        ('epoch_1.pth.bak', False),
        ('my_epoch_1.pth', False),
        ('iter_12.pth', False),
        ('epoch_1xpth', False),
        ('best_epoch_1.pth', False),
        ('', False),
    ],
)
def test_has_name(name, expected, tmp_path):
    assert own(tmp_path).has_name(name) == expected
    assert own(tmp_path, 'sub/epoch_{}.pth').has_name('epoch_1.pth')


@pytest.mark.parametrize(
    'path, key',
    [
        ('best_acc_epoch_3.pth', 'acc'),
        ('{folder}/best_acc_epoch_3.pth', 'acc'),
        ('{folder}/../{name}/best_acc_epoch_3.pth', 'acc'),
        ('{folder}/best_acc_epoch_3.pth', 'auto'),
        ('{link}/best_acc_epoch_3.pth', 'acc'),
    ],
)
def test_own_best(path, key, tmp_path):
    folder, link = tmp_path / 'run', tmp_path / 'link'
    folder.mkdir()
    link.symlink_to(folder)
    path = path.format(folder=folder, name=folder.name, link=link)
    assert own(folder).own_best(path, key) == str(
        folder / 'best_acc_epoch_3.pth'
    )


@pytest.mark.parametrize(
    'path',
    [
        None,
        3,
        b'best_acc_epoch_3.pth',
        ['best_acc_epoch_3.pth'],
        '',
        '..',
        '/',
        '{folder}',
        '{folder}/epoch_3.pth',
        '{folder}/notes.txt',
        '{folder}/best_acc_epoch_3.pth/..',
        '{folder}/../best_acc_epoch_3.pth',
        '{folder}/sub/best_acc_epoch_3.pth',
        '/best_acc_epoch_3.pth',
        '{folder}/best_loss_epoch_3.pth',
        '{folder}/best_acc_iter_3.pth',
        '{folder}/best_acc_epoch_3.pth.txt',
        '{folder}/best_acc_epoch_\u0663.pth',
        f'best_acc_epoch_{"9" * 5000}.pth',
        's3://bucket/best_acc_epoch_3.pth',
        '\0/best_acc_epoch_3.pth',
    ],
)
def test_foreign_best(path, tmp_path):
    if isinstance(path, str):
        path = path.format(folder=tmp_path)
    assert own(tmp_path).own_best(path, 'acc') is None


def test_best_of_a_later_step(tmp_path):
    files = own(tmp_path)
    assert files.own_best('best_acc_epoch_3.pth', last=3)
    assert not files.own_best('best_acc_epoch_4.pth', last=3)
    assert files.is_best_at('best_acc_epoch_3.pth', 3)
    assert not files.is_best_at('best_acc_epoch_13.pth', 3)
    one_name = own(tmp_path, 'latest.pth')
    assert one_name.own_best('best_acc_latest.pth', last=3)
    assert one_name.is_best_at('best_acc_latest.pth', 3)


def test_addresses():
    files = OwnCheckpoints(LocalBackend(), 's3://bucket/run', 'epoch_{}.pth')
    assert files.own_best('s3://bucket/run/best_acc_epoch_3.pth', 'acc')
    assert not files.own_best('s3://bucket/best_acc_epoch_3.pth', 'acc')
    assert files.folder_has('s3://bucket/run/epoch_1.pth')
    assert not files.folder_has('s3://bucket/other/epoch_1.pth')
    assert not files.folder_has('bucket/run/epoch_1.pth')


def test_folder_has(tmp_path, monkeypatch):
    files = own(tmp_path)
    assert files.folder_has(str(tmp_path / 'any.pth'))
    assert not files.folder_has(str(tmp_path / 'sub/epoch_1.pth'))
    assert not files.folder_has(None)
    assert not files.folder_has(['x'])
    monkeypatch.chdir(tmp_path)
    assert files.folder_has('epoch_1.pth')
    assert own(tmp_path, 'sub/{}.pth').folder_has('sub/1.pth')
    monkeypatch.setenv('HOME', str(tmp_path))
    assert files.folder_has('~/epoch_1.pth')


@pytest.mark.parametrize(
    'steps, expected',
    [
        ([1, 3, 2], [1, 2, 3]),
        ((2, 2), [2]),
        ([0, 5, 6, -1, 10**5000], [0, 5]),
        (['1', '../1', None, 2.0, True, [3], 4], [4]),
        ('12', []),
        (None, []),
        ({1: 1}, []),
        (7, []),
    ],
)
def test_own_steps(steps, expected, tmp_path):
    assert own(tmp_path).own_steps(steps, last=5) == expected


def test_remove(tmp_path):
    files = own(tmp_path)
    target = tmp_path / 'target.pth'
    target.write_text('data')
    (tmp_path / 'epoch_1.pth').write_text('')
    os.symlink(target, tmp_path / 'epoch_2.pth')
    assert files.remove(files.path(1))
    assert not files.remove(files.path(1))
    assert not files.remove(files.path(2))
    assert sorted(os.listdir(tmp_path)) == ['epoch_2.pth', 'target.pth']


@pytest.mark.parametrize(
    'content, removed',
    [
        (['mp_rank_00_model_states.pt'], True),
        (
            [
                'mp_rank_00_model_states.pt',
                'bf16_zero_pp_rank_0_mp_rank_00_optim_states.pt',
            ],
            True,
        ),
        (['mp_rank_00_model_states.pt', 'thesis.txt'], False),
        (['mp_rank_00_model_states.pt', 'more/'], False),
        (['more_model_states.pt/'], False),
        (['thesis.txt'], False),
        ([], False),
    ],
)
def test_remove_folder(content, removed, tmp_path):
    folder = tmp_path / 'epoch_1.pth'
    folder.mkdir()
    for name in content:
        path = folder / name
        path.mkdir() if name.endswith('/') else path.write_text('')
    assert own(tmp_path).remove(str(folder)) == removed
    assert folder.exists() != removed


def test_linked_folder_stays(tmp_path):
    folder = tmp_path / 'elsewhere'
    folder.mkdir()
    (folder / 'mp_rank_00_model_states.pt').write_text('')
    os.symlink(folder, tmp_path / 'epoch_1.pth')
    assert not own(tmp_path).remove(str(tmp_path / 'epoch_1.pth'))
    assert len(os.listdir(folder)) == 1
