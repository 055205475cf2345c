_base_ = ['../synthetic_jhmdb/rpstn_tiny_1xb8-1e_synthetic-jhmdb-128x128.py']

# JHMDB's joints; Penn Action lacks neck and belly, and names the sides from
# the camera's point of view (docs/conventions.md)
penn_metainfo = 'configs/_base_/datasets/penn_action.py'
jhmdb_metainfo = 'configs/_base_/datasets/jhmdb.py'
penn_to_jhmdb = dict(
    left_shoulder='right_shoulder',
    right_shoulder='left_shoulder',
    left_elbow='right_elbow',
    right_elbow='left_elbow',
    left_wrist='right_wrist',
    right_wrist='left_wrist',
    left_hip='right_hip',
    right_hip='left_hip',
    left_knee='right_knee',
    right_knee='left_knee',
    left_ankle='right_ankle',
    right_ankle='left_ankle')

# data loaders; tests are those of JHMDB
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='CombinedDataset',
        metainfo=dict(from_file=jhmdb_metainfo),
        datasets=[
            dict(
                type='PennActionDataset',
                data_root='data/synthetic_penn/',
                split='train',
                clip_length={{_base_.clip_length}},
                pipeline=[
                    dict(
                        type='ClipKeypointConverter',
                        source=penn_metainfo,
                        target=jhmdb_metainfo,
                        mapping=penn_to_jhmdb)
                ]),
            dict(
                type='JHMDBClipDataset',
                data_root='data/synthetic_jhmdb/',
                split='train',
                sub=1,
                clip_length={{_base_.clip_length}})
        ],
        pipeline={{_base_.train_pipeline}}))
