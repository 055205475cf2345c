# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Boxes by image, as other programs write them.

COCO's results and annotations, and AlphaPose's results; lists of text are in
``box_lists``. Each names its images in its own way; the frame that an image
is, and whether frames count from 0 or 1, is found here.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Iterable, Mapping, Sequence, Union

from .video_people import expect, is_number

ImageKey = Union[int, str]
PERSON_NAMES = ('person', 'people', 'pedestrian', 'human')
_WHICH = (
    'say which with first_frame (--boxes-first-frame): the number that the '
    'file gives to the first frame'
)
# The shot of a frame is above the id; see streams.shots.
_MAX_ID = 2**32
_TAIL = re.compile(r'(\d+)$')


@dataclass
class ImageBoxes:
    """Boxes of a file by image.

    Attributes:
        people: By image: ``bbox`` (x1 y1 x2 y2), ``bbox_score``,
            ``track_id``, where they are known.
        first: Number of the first frame, as the format has it. None: not
            told by the format.
        size: Width and height of an image, pixels; (1, 1): boxes are
            fractions of it.
    """

    people: dict[ImageKey, list[dict]] = field(default_factory=dict)
    first: int | None = None
    size: tuple[int, int] | None = None


@dataclass(frozen=True)
class VideoHints:
    """What is known of the video that boxes belong to.

    Attributes:
        first_frame: Number that the file gives to the video's first frame.
            None: to be found out.
        num_frames: Of the video.
        names: Of the image files, where the video is a folder of them.
        cat_ids: Classes of the file that are taken. None: people.
    """

    first_frame: int | None = None
    num_frames: int | None = None
    names: Sequence[str] = ()
    cat_ids: Sequence[int] | None = None


def id_of(value: Any, where: str) -> int:
    """A person's id, of a number or text; -1: none.

    Raises:
        PeopleError: It is no whole number.
    """
    number = value
    if isinstance(number, list) and number:
        # AlphaPose lists the ids of all boxes that it merged.
        number = number[0]
    if isinstance(number, str) and number.strip().isdecimal():
        number = int(number)
    if number is None:
        return -1
    expect(
        is_number(number) and number == int(number),
        f'{where}: the id of a person must be a whole number, but is '
        f'{value!r:.60}; number the people',
    )
    expect(
        number < _MAX_ID,
        f'{where}: the id {number} of a person is not below 2**32; number '
        'the people from 0',
    )
    return max(-1, int(number))


def frames_of(
    images: Iterable[ImageKey], hints: VideoHints, first: int | None
) -> dict[ImageKey, int]:
    """The frame, from 0, that each image is.

    Args:
        images: Numbers or names.
        hints: Of the video.
        first: Number of the first frame, as the format has it.

    Raises:
        PeopleError: It cannot be told.
    """
    images = list(images)
    stems = {
        image: Path(str(image).replace('\\', '/')).stem for image in images
    }
    known = {Path(name).stem: row for row, name in enumerate(hints.names)}
    if (
        hints.first_frame is None
        and len(known) == len(hints.names)
        and known.keys() >= set(stems.values())
        and any(isinstance(image, str) for image in images)
    ):
        return {image: known[stem] for image, stem in stems.items()}
    numbers = {}
    for image, stem in stems.items():
        tail = _TAIL.search(stem)
        expect(
            tail is not None,
            f'the image {image!r:.60} has no number, and is none of the '
            "video's files",
        )
        numbers[image] = int(tail.group())  # type: ignore[union-attr]
    expect(
        len(set(numbers.values())) == len(numbers),
        'two images have the same number; give the boxes of one video',
    )
    start = _first_of(numbers.values(), hints, first)
    return {image: number - start for image, number in numbers.items()}


def _first_of(
    numbers: Iterable[int], hints: VideoHints, first: int | None
) -> int:
    """Number of the video's first frame."""
    numbers = list(numbers)
    if not numbers:
        return 0
    low, high = min(numbers), max(numbers)
    if hints.first_frame is not None:
        expect(
            low >= hints.first_frame,
            f'its frame {low} is before the first one, which is told to be '
            f'{hints.first_frame}',
        )
        return hints.first_frame
    if low == 0:
        return 0
    if high == hints.num_frames:
        return 1
    expect(
        first is not None,
        f'its frames {low} to {high} may count from 0 or from 1; {_WHICH}',
    )
    return first  # type: ignore[return-value]


def read_coco(content: Any, cat_ids: Sequence[int] | None) -> ImageBoxes:
    """COCO's results, a list, or annotations, an object with ``images``.

    AlphaPose's results are such a list too, with other names.

    Args:
        content: Of the JSON file.
        cat_ids: Categories that are taken. None: people.

    Raises:
        PeopleError: An entry that is no box.
    """
    found = ImageBoxes()
    names: dict[Any, ImageKey] = {}
    items = content
    if isinstance(content, Mapping):
        items = content.get('annotations')
        names, found.size = _coco_images(content.get('images'))
        found.people = {key: [] for key in names.values()}
        cat_ids = _coco_people(content.get('categories'), cat_ids)
    expect(isinstance(items, list), '"annotations" is no list')
    boxes = [_coco_box(item, row) for row, item in enumerate(items)]
    cats = {item.get('category_id', 1) for item in items}
    if cat_ids is None:
        expect(
            len(cats) < 2 or 1 in cats,
            f'its categories {_some(cats)} are several, and none is 1, '
            'people; say which with cat_ids (--det-cat-ids)',
        )
        cat_ids = sorted(cats) if len(cats) < 2 else [1]
    expect(
        not items or cats & set(cat_ids),
        f'no box is of the categories {_some(cat_ids)}; there are '
        f'{_some(cats)}',
    )
    for item, box in zip(items, boxes):
        key = item['image_id']
        key = names.get(key, key)
        expect(
            not names or key in found.people,
            f'"images" has no image {key!r:.60}',
        )
        people = found.people.setdefault(key, [])
        if item.get('category_id', 1) in cat_ids and not item.get('iscrowd'):
            people.append(box)
    if any('idx' in item for item in items):
        # AlphaPose names the frames of a video 0.jpg, 1.jpg and so on, and
        # gives everybody the id 0 where it does not track.
        found.first = 0
        if any(_twice(people) for people in found.people.values()):
            for people in found.people.values():
                for box in people:
                    box['track_id'] = -1
    return found


def _twice(people: Sequence[Mapping]) -> bool:
    return len({box['track_id'] for box in people}) < len(people)


def _some(values: Iterable[Any]) -> str:
    texts = sorted(map(str, values))
    return ', '.join(texts[:5]) + (', ...' if len(texts) > 5 else '')


def _coco_box(item: Any, row: int) -> dict:
    where = f'entry {row}'
    expect(isinstance(item, Mapping), f'{where} is no object')
    image = item.get('image_id')
    expect(
        isinstance(image, str) or is_number(image, whole=True),
        f'{where} has the "image_id" {image!r:.60}',
    )
    box = item.get('bbox', item.get('box'))
    expect(
        isinstance(box, list)
        and len(box) == 4
        and all(is_number(v) and math.isfinite(v) for v in box),
        f'{where} has no "bbox" of x, y, width and height',
    )
    expect(
        min(box[2:]) >= 0,
        f'{where}: the width and height of the box {box} are negative',
    )
    score = item.get('score')
    expect(
        score is None or is_number(score),
        f'{where}: the score must be a number, but is {score!r:.60}',
    )
    ids = [item[k] for k in ('track_id', 'instance_id', 'idx') if k in item]
    x, y, width, height = box
    return dict(
        bbox=[x, y, x + width, y + height],
        bbox_score=score,
        track_id=id_of(ids[0] if ids else None, where),
    )


def _coco_images(
    images: Any,
) -> tuple[dict[Any, ImageKey], tuple[int, int] | None]:
    """Frame number or name of each image by id, and the size of all."""
    expect(
        isinstance(images, list)
        and bool(images)
        and all(
            isinstance(image, Mapping) and is_number(image.get('id'), True)
            for image in images
        ),
        '"images" is no list of images with ids',
    )
    sizes = {(image.get('width'), image.get('height')) for image in images}
    sizes = {size for size in sizes if all(is_number(v, True) for v in size)}
    expect(
        len(sizes) < 2,
        f'its images are of several sizes ({_some(sizes)}); give the boxes '
        'of one video',
    )
    for key in ('frame_id', 'file_name', 'id'):
        if all(key in image for image in images):
            break
    names = {image['id']: image[key] for image in images}
    expect(
        len(set(map(str, names.values()))) == len(images),
        f'two images have the same "{key}"; give the boxes of one video',
    )
    return names, next(iter(sizes), None)


def _coco_people(
    categories: Any, cat_ids: Sequence[int] | None
) -> Sequence[int] | None:
    """Numbers of the categories that are people."""
    if cat_ids is not None or not isinstance(categories, list):
        return cat_ids
    names = {
        item.get('id'): str(item.get('name')).lower()
        for item in categories
        if isinstance(item, Mapping)
    }
    found = [key for key, name in names.items() if name in PERSON_NAMES]
    expect(
        found or len(names) < 2,
        f'its categories are {_some(names.values())}, and none is a person; '
        'say which with cat_ids (--det-cat-ids)',
    )
    return found or None
