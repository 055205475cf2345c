# COCO test-dev for any top-down config of COCO joints. Beside such a config
# in _base_ these two take the place of its test data and evaluator:
#   test_dataloader = dict(dataset=_base_.coco_test_dev_dataset)
#   test_evaluator = _base_.coco_test_dev_evaluator
# (test_dataloader itself cannot stand here: two bases must not define the
# same name). See docs/coco_test_dev.md.

# paths but bbox_file are relative to the config's data_root, data/coco/
coco_test_dev_dataset = dict(
    type='CocoTestDevDataset',
    ann_file='annotations/image_info_test-dev2017.json',
    data_prefix=dict(img='test2017/'),
    bbox_file='data/coco/person_detection_results/'
    'COCO_test-dev2017_detections_AP_H_609_person.json',
)

coco_test_dev_evaluator = dict(
    type='CocoSubmission',
    ann_file=None,  # the data set's
    out_dir='work_dirs/coco_test_dev',
    subset='test-dev2017',
    algorithm='rpstn',
)
