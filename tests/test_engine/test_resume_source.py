# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import pytest

from rpstn_mmpose.engine import CheckpointError
from rpstn_mmpose.engine.resume_source import (
    NamedCheckpoint,
    checkpoint_to_resume,
    last_checkpoint,
)


@pytest.fixture()
def work_dir(tmp_path):
    """A work dir whose last checkpoint is that of epoch 9."""
    folder = tmp_path / 'run'
    folder.mkdir()
    for name in (
        'epoch_5.pth',
        'epoch_9.pth',
        'best_acc_epoch_7.pth',
        'start.pth',
    ):
        (folder / name).write_text('')
    (folder / 'last_checkpoint').write_text(f'{folder}/epoch_9.pth\n')
    return folder


def test_last_checkpoint(work_dir, tmp_path):
    assert last_checkpoint(str(work_dir)) == f'{work_dir}/epoch_9.pth'
    assert last_checkpoint(str(tmp_path)) is None
    pointer = work_dir / 'last_checkpoint'
    pointer.write_text('s3://bucket/epoch_9.pth')
    assert last_checkpoint(str(work_dir)) == 's3://bucket/epoch_9.pth'
    pointer.write_text(str(work_dir))  # DeepSpeed's are folders
    assert last_checkpoint(str(work_dir)) == str(work_dir)


@pytest.mark.parametrize('content', ['{folder}/epoch_10.pth', '', ' \n'])
def test_last_checkpoint_that_names_nothing(content, work_dir):
    pointer = work_dir / 'last_checkpoint'
    pointer.write_text(content.format(folder=work_dir))
    with pytest.raises(CheckpointError) as caught:
        last_checkpoint(str(work_dir))
    assert str(caught.value).startswith(f'{pointer} names ')
    assert 'which does not exist' in str(caught.value)
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize(
    'load_from, expected, line',
    [
        # from elsewhere: the run's own last checkpoint goes before
        ('{elsewhere}/epoch_5.pth', None, 'goes on from {run}/epoch_9.pth'),
        ('start.pth', None, 'not from load_from=start.pth'),
        ('https://host/start.pth', None, 'Name another work dir'),
        ('{run}/start.pth', None, 'goes on from {run}/epoch_9.pth'),
        ('{run}/iter_5.pth', None, 'goes on from {run}/epoch_9.pth'),
        # one of its own: a way back
        (
            '{run}/epoch_5.pth',
            '{run}/epoch_5.pth',
            'goes back to {run}/epoch_5',
        ),
        (
            '{run}/best_acc_epoch_7.pth',
            '{run}/best_acc_epoch_7.pth',
            'goes back',
        ),
        ('{run}/epoch_9.pth', '{run}/epoch_9.pth', None),
        (None, None, None),
    ],
)
def test_own_checkpoint_goes_first(
    load_from, expected, line, work_dir, tmp_path
):
    def fill(text):
        return text and text.format(run=work_dir, elsewhere=tmp_path)

    lines = []
    assert checkpoint_to_resume(
        fill(load_from), str(work_dir), lines.append
    ) == fill(expected)
    if line is None:
        assert lines == []
    else:
        assert len(lines) == 1
        assert fill(line) in lines[0]


def test_named_checkpoint_holds(work_dir, tmp_path):
    (work_dir / 'last_checkpoint').write_text('gone.pth')
    named = NamedCheckpoint(tmp_path / 'epoch_1.pth')
    assert checkpoint_to_resume(named, str(work_dir), pytest.fail) is named


@pytest.mark.parametrize('load_from', [None, 'start.pth'])
def test_new_work_dir(load_from, tmp_path):
    assert (
        checkpoint_to_resume(load_from, str(tmp_path), pytest.fail)
        == load_from
    )


def test_stale_last_checkpoint_is_not_passed_over(work_dir):
    (work_dir / 'last_checkpoint').write_text('gone.pth')
    with pytest.raises(CheckpointError, match='names gone.pth'):
        checkpoint_to_resume('start.pth', str(work_dir), pytest.fail)
