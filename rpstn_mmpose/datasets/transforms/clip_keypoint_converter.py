# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from copy import deepcopy
from typing import Sequence

import numpy as np
from mmpose.datasets.datasets.utils import parse_pose_metainfo
from mmpose.datasets.transforms import KeypointConverter
from mmpose.registry import TRANSFORMS

from ...structures.columns import Column, declared_columns
from ..metainfo import resolve_metainfo_file

# What MMPose's data sets copy from their metainfo into each sample.
_SAMPLE_KEYS = (
    'flip_indices',
    'flip_pairs',
    'upper_body_ids',
    'lower_body_ids',
    'dataset_keypoint_weights',
)


def _metainfo(path: str) -> dict:
    return parse_pose_metainfo(dict(from_file=resolve_metainfo_file(path)))


def _keypoint_names(meta: dict) -> list[str]:
    return [meta['keypoint_id2name'][i] for i in range(meta['num_keypoints'])]


@TRANSFORMS.register_module()
class ClipKeypointConverter(KeypointConverter):
    """Give a clip the joints of another data set, by name.

    For several data sets in one :class:`mmpose.datasets.CombinedDataset`: the
    last transform of each one's own pipeline. :class:`KeypointConverter`
    takes numbers, and knows neither clips' ``keypoints_visible`` T x K nor
    ``keypoints_labeled``.

    Required keys: ``keypoints`` T x K x 2, ``keypoints_visible`` and, if
    there, ``keypoints_labeled`` T x K; of the source's K joints. They become
    those of the target's joints. A target joint that the source lacks is
    neither labelled nor visible, lies at (0, 0) and so has no weight. Columns
    that the data set declares become the target's likewise, if they are of
    the source's joints. What
    the sample holds of the source's metainfo (``flip_indices`` and so on)
    becomes the target's.

    Args:
        source (str): Metainfo file of the data set that is read, e.g.
            ``'configs/_base_/datasets/penn_action.py'``.
        target (str): Metainfo file of the joints to give it.
        mapping (dict, optional): Target joint to the source joint that takes
            its place, or to two whose middle it is, or to None for none.
            Joints that are not in it take the source's joint of the same
            name, if there is one.

    Raises:
        ValueError: A joint's name that its data set does not have, or no
            joint in common.
    """

    def __init__(
        self,
        source: str,
        target: str,
        mapping: dict[str, str | Sequence[str] | None] | None = None,
    ) -> None:
        self.source, self.target = source, target
        self.names = dict(mapping or {})
        meta = _metainfo(target)
        theirs, ours = (
            _keypoint_names(_metainfo(source)),
            _keypoint_names(meta),
        )
        self._target_meta = {key: meta[key] for key in _SAMPLE_KEYS}
        self._check(list(self.names), ours, target)
        pairs = []
        for number, name in enumerate(ours):
            origin = self.names.get(name, name if name in theirs else None)
            if origin is None:
                continue
            parts = [origin] if isinstance(origin, str) else list(origin)
            self._check(parts, theirs, source)
            if len(parts) not in (1, 2):
                raise ValueError(
                    f'{self.__class__.__name__}: {name!r} must be mapped to '
                    f'a joint, to two or to None, but got {origin!r}'
                )
            numbers = tuple(theirs.index(part) for part in parts)
            pairs.append((numbers * 2 if len(parts) == 1 else numbers, number))
        if not pairs:
            raise ValueError(
                f'{self.__class__.__name__}: {source} and '
                f'{target} have no joint in common; give a '
                'mapping'
            )
        self._num_source = len(theirs)
        super().__init__(num_keypoints=len(ours), mapping=pairs)

    def _check(
        self, names: Sequence[str], known: list[str], where: str
    ) -> None:
        unknown = [name for name in names if name not in known]
        if unknown:
            raise ValueError(
                f'{self.__class__.__name__}: {where} has no '
                f'joints {unknown}; it has {known}'
            )

    def _of_two(self, flags: np.ndarray) -> np.ndarray:
        """T x K flags: a joint between two has them where both have."""
        out = np.zeros((len(flags), self.num_keypoints), dtype=flags.dtype)
        out[:, self.target_index] = np.minimum(
            flags[:, self.source_index], flags[:, self.source_index2]
        )
        return out

    def transform(self, results: dict) -> dict:
        """Convert the keypoints.

        Args:
            results (dict): A clip of the source data set.

        Returns:
            dict: ``results``.
        """
        keypoints = results['keypoints']
        if keypoints.shape[1] != self._num_source:
            raise ValueError(
                f'{self.__class__.__name__}: {self.source} has '
                f'{self._num_source} joints, but the clip has '
                f'{keypoints.shape[1]}; convert it once'
            )
        visible = results['keypoints_visible']
        labeled = results.get('keypoints_labeled')
        given = [key for key in _SAMPLE_KEYS if key in results]
        self._convert_declared(results)
        # MMPose's class would rewrite the source's flips in place, and take
        # keypoints_3d for the keypoints.
        converted = super().transform(
            dict(keypoints=keypoints, keypoints_visible=visible)
        )
        for key in given:
            results[key] = deepcopy(self._target_meta[key])
        results['keypoints'] = converted['keypoints'].astype(keypoints.dtype)
        results['keypoints_visible'] = self._of_two(visible)
        if labeled is not None:
            results['keypoints_labeled'] = self._of_two(labeled)
        return results

    def _convert_declared(self, results: dict) -> None:
        for column in declared_columns(results):
            values = results.get(column.name)
            if (
                values is not None
                and column.flip_indices is None
                and (column.of_joints(values, self._num_source))
            ):
                results[column.name] = self._converted(values, column)

    def _converted(self, values: np.ndarray, column: Column) -> np.ndarray:
        if column.kind in ('flag', 'score'):
            return self._of_two(values)
        out = np.zeros(
            (len(values), self.num_keypoints, values.shape[2]), values.dtype
        )
        out[:, self.target_index] = (
            values[:, self.source_index] + values[:, self.source_index2]
        ) / 2
        return out

    def __repr__(self) -> str:
        return (
            f'{self.__class__.__name__}(source={self.source!r}, '
            f'target={self.target!r}, mapping={self.names})'
        )
