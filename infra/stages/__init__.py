"""The settings of each stage: dev.yaml and prod.yaml beside this file, and others of the same form."""

from pathlib import Path

import yaml

FOLDER = Path(__file__).parent
ASKS_FIRST = ("prod",)
"""Stages that are not changed by a person who has not seen what will be."""


def settings_of(stage: str) -> dict[str, str]:
    """The parameters that a stage has of its own; none, if there is no file of it."""
    path = FOLDER / f"{stage}.yaml"
    if not path.exists():
        return {}
    loaded = yaml.safe_load(path.read_text("utf-8")) or {}
    return {name: str(value) for name, value in loaded.items()}
