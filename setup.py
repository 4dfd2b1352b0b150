"""Packs the shipped protocols and rigs into the package; everything else is in pyproject.toml.

A wheel holds them as `rig/shipped/protocols` and `rig/shipped/calibration`; see rig/config/find.py.
"""

from setuptools import find_packages, setup

SHIPPED = {"rig.shipped.protocols": "protocols", "rig.shipped.calibration": "calibration"}

setup(
    packages=[*find_packages(include=["rig", "rig.*"]), *SHIPPED],
    package_dir=SHIPPED,
    package_data={
        "": ["*.yaml", "*/*.yaml", "*.md", "*.json", "firmware/*.hex", "firmware/*.rules", "static/*", "py.typed"]
    },
)
