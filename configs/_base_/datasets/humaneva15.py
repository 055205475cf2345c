dataset_info = dict(
    dataset_name='humaneva15',
    paper_info=dict(
        author='Sigal, Leonid and Balan, Alexandru O. and Black, Michael J.',
        title='HumanEva: Synchronized Video and Motion Capture Dataset and '
        'Baseline Algorithm for Evaluation of Articulated Human Motion',
        container='International Journal of Computer Vision',
        year='2010',
        homepage='http://humaneva.is.tue.mpg.de/',
    ),
    keypoint_info={
        0: dict(
            name='root', id=0, color=[51, 153, 255], type='lower', swap=''
        ),
        1: dict(
            name='thorax', id=1, color=[51, 153, 255], type='upper', swap=''
        ),
        2: dict(
            name='left_shoulder',
            id=2,
            color=[0, 255, 0],
            type='upper',
            swap='right_shoulder',
        ),
        3: dict(
            name='left_elbow',
            id=3,
            color=[0, 255, 0],
            type='upper',
            swap='right_elbow',
        ),
        4: dict(
            name='left_wrist',
            id=4,
            color=[0, 255, 0],
            type='upper',
            swap='right_wrist',
        ),
        5: dict(
            name='right_shoulder',
            id=5,
            color=[255, 128, 0],
            type='upper',
            swap='left_shoulder',
        ),
        6: dict(
            name='right_elbow',
            id=6,
            color=[255, 128, 0],
            type='upper',
            swap='left_elbow',
        ),
        7: dict(
            name='right_wrist',
            id=7,
            color=[255, 128, 0],
            type='upper',
            swap='left_wrist',
        ),
        8: dict(
            name='left_hip',
            id=8,
            color=[0, 255, 0],
            type='lower',
            swap='right_hip',
        ),
        9: dict(
            name='left_knee',
            id=9,
            color=[0, 255, 0],
            type='lower',
            swap='right_knee',
        ),
        10: dict(
            name='left_ankle',
            id=10,
            color=[0, 255, 0],
            type='lower',
            swap='right_ankle',
        ),
        11: dict(
            name='right_hip',
            id=11,
            color=[255, 128, 0],
            type='lower',
            swap='left_hip',
        ),
        12: dict(
            name='right_knee',
            id=12,
            color=[255, 128, 0],
            type='lower',
            swap='left_knee',
        ),
        13: dict(
            name='right_ankle',
            id=13,
            color=[255, 128, 0],
            type='lower',
            swap='left_ankle',
        ),
        14: dict(
            name='head', id=14, color=[51, 153, 255], type='upper', swap=''
        ),
    },
    skeleton_info={
        0: dict(link=('root', 'thorax'), id=0, color=[51, 153, 255]),
        1: dict(link=('thorax', 'left_shoulder'), id=1, color=[0, 255, 0]),
        2: dict(link=('left_shoulder', 'left_elbow'), id=2, color=[0, 255, 0]),
        3: dict(link=('left_elbow', 'left_wrist'), id=3, color=[0, 255, 0]),
        4: dict(link=('thorax', 'right_shoulder'), id=4, color=[255, 128, 0]),
        5: dict(
            link=('right_shoulder', 'right_elbow'), id=5, color=[255, 128, 0]
        ),
        6: dict(
            link=('right_elbow', 'right_wrist'), id=6, color=[255, 128, 0]
        ),
        7: dict(link=('root', 'left_hip'), id=7, color=[0, 255, 0]),
        8: dict(link=('left_hip', 'left_knee'), id=8, color=[0, 255, 0]),
        9: dict(link=('left_knee', 'left_ankle'), id=9, color=[0, 255, 0]),
        10: dict(link=('root', 'right_hip'), id=10, color=[255, 128, 0]),
        11: dict(link=('right_hip', 'right_knee'), id=11, color=[255, 128, 0]),
        12: dict(
            link=('right_knee', 'right_ankle'), id=12, color=[255, 128, 0]
        ),
        13: dict(link=('thorax', 'head'), id=13, color=[51, 153, 255]),
    },
    joint_weights=[1.0] * 15,
    sigmas=[],
)
