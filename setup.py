# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Packaging of rpstn_mmpose.

Like MMPose's own wheel, this one carries configs, tools and the model index
in a folder ``.mim`` of the package, where mim looks for them. In an editable
installation that folder holds links to the checkout's files.
"""

import os
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
PACKAGE = 'rpstn_mmpose'
MIM_FILES = (
    'configs',
    'tools',
    'demo',
    'model-index.yml',
    'dataset-index.yml',
)


class BuildWithMimFiles(build_py):
    """Adds ``.mim``: copies for a wheel, links for an editable install."""

    def run(self) -> None:
        super().run()
        editable = getattr(self, 'editable_mode', False)
        base = ROOT if editable else Path(self.build_lib)
        target = base / PACKAGE / '.mim'
        if target.exists():
            shutil.rmtree(target)
        target.mkdir(parents=True)
        for name in MIM_FILES:
            source = ROOT / name
            if not source.exists():
                continue
            if editable:
                link = os.path.relpath(source, target)
                (target / name).symlink_to(link, source.is_dir())
            elif source.is_dir():
                shutil.copytree(
                    source,
                    target / name,
                    ignore=shutil.ignore_patterns('__pycache__', '*.pyc'),
                )
            else:
                shutil.copy(source, target / name)


def read_version() -> str:
    scope: dict = {'__name__': 'version'}
    exec((ROOT / PACKAGE / 'version.py').read_text(encoding='utf-8'), scope)
    return scope['__version__']


def read_requirements(name: str) -> list:
    lines = (ROOT / 'requirements' / name).read_text(encoding='utf-8')
    return [
        line.strip()
        for line in lines.splitlines()
        if line.strip() and not line.startswith(('#', '-'))
    ]


setup(
    name=PACKAGE,
    version=read_version(),
    description='Video pose estimation for MMPose 1.x: clips, RPSTN and '
    'joint relations',
    long_description=(ROOT / 'README.md').read_text(encoding='utf-8')
    if (ROOT / 'README.md').exists()
    else '',
    long_description_content_type='text/markdown',
    author='rpstn_mmpose contributors',
    license='Apache License 2.0',
    keywords='computer vision, video pose estimation',
    packages=find_packages(include=[PACKAGE, f'{PACKAGE}.*']),
    include_package_data=True,
    package_data={PACKAGE: ['visualization/video_report_page/*']},
    python_requires='>=3.8',
    # mmengine, mmcv and mmpose are left to mim or `make setup`, as in the
    # OpenMMLab packages: mmcv has to be built against the torch at hand.
    install_requires=read_requirements('install.txt'),
    extras_require={
        'mim': read_requirements('mminstall.txt'),
        'optional': read_requirements('optional.txt'),
    },
    entry_points={'console_scripts': [f'rpstn = {PACKAGE}.console:main']},
    classifiers=[
        'Development Status :: 4 - Beta',
        'License :: OSI Approved :: Apache Software License',
        'Operating System :: OS Independent',
        'Programming Language :: Python :: 3',
        'Topic :: Scientific/Engineering :: Image Recognition',
    ],
    cmdclass={'build_py': BuildWithMimFiles},
    zip_safe=False,
)
