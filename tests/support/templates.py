"""Sending by templates, and deployments with other versions of them."""

import itertools
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chalicelib.services import templates as templates_service
from chalicelib.services.submit import Submission, submit
from chalicelib.tables.dispatches import Dispatch
from chalicelib.templating import catalogue
from chalicelib.templating.catalogue import ROOT, Catalogue
from tests.support.aws import Row, World
from tests.support.factories import SHOP, submission

ORDER = {"order": "A-1 <b>"}
"""What version 1 of `order_shipped` is filled in with."""

Deploy = Callable[..., Path]


def by_template(users: list[str], template: str, variables: dict[str, Any], **changes: Any) -> Submission:
    """What a client asks for, by a template."""
    return submission(users, title="", text="", template=template, variables=variables, **changes)


def send(
    world: World, users: list[str], template: str, variables: dict[str, Any], **changes: Any
) -> Dispatch:
    """Post it; its dispatch."""
    dispatch = submit(by_template(users, template, variables, **changes), SHOP, world.clock()).dispatch
    world.check()
    return dispatch


def stored(world: World) -> Row:
    """The only notification."""
    (row,) = world.table("NOTIFICATIONS_TABLE")
    return row


def deployer(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Deploy:
    """What deploys another version of `order_shipped`, when it is called; its folder.

    `source` becomes what version 1 says in English; `without` are versions that are gone.
    """
    numbers = itertools.count(1)

    def deploy(source: str = "", without: tuple[int, ...] = ()) -> Path:
        root = folder / f"templates-{next(numbers)}"  # what was read of a path stays read
        shutil.copytree(ROOT, root)
        shutil.copytree(root / "order_shipped" / "1", root / "order_shipped" / "3")
        if source:
            (root / "order_shipped" / "1" / "en.j2").write_text(source)
        for version in without:
            shutil.rmtree(root / "order_shipped" / str(version))
        deployed = Catalogue(root)
        monkeypatch.setattr(catalogue, "shipped", lambda: deployed)
        monkeypatch.setattr(templates_service, "shipped", lambda: deployed)
        return root / "order_shipped" / "3"

    return deploy
