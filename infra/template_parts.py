"""The parts of the CloudFormation template in infra/template: read, joined, written."""

from pathlib import Path
from typing import Any

import yaml

from chalicelib.channels import CHANNELS
from infra.channel_parts import with_channels

PARTS = Path(__file__).parent / "template"


class _Loader(yaml.SafeLoader):
    """Reads CloudFormation's short tags (`!Ref`, `!GetAtt`, ...) into their long forms."""


class _Dumper(yaml.SafeDumper):
    """Repeats what is shared, because CloudFormation does not promise to understand YAML's aliases."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - PyYAML's signature
        return True


def _intrinsic(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    name = suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}"
    if isinstance(node, yaml.ScalarNode):
        scalar = loader.construct_scalar(node)
        return {name: str(scalar).split(".", 1) if suffix == "GetAtt" else scalar}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    assert isinstance(node, yaml.MappingNode)
    return {name: loader.construct_mapping(node, deep=True)}


yaml.add_multi_constructor("!", _intrinsic, _Loader)


def read_template(path: Path) -> dict[str, Any]:
    """One template file as plain data, intrinsic functions in their long form."""
    loaded = yaml.load(path.read_text("utf-8"), Loader=_Loader)  # noqa: S506 - a safe loader and CloudFormation's tags
    assert isinstance(loaded, dict), path
    return loaded


def write_template(template: dict[str, Any], path: Path) -> None:
    """Write a template so that the same data gives the same bytes."""
    path.write_text(dump_template(template), "utf-8")


def dump_template(template: dict[str, Any]) -> str:
    """A template as YAML with no aliases and sorted keys."""
    return yaml.dump(template, Dumper=_Dumper, allow_unicode=True, width=120)


def join_parts(folder: Path = PARTS) -> dict[str, Any]:
    """All parts as one template, with what each channel needs; a name that two parts define is an error."""
    joined: dict[str, Any] = {}
    for path in sorted(folder.glob("*.yaml")):
        for section, content in read_template(path).items():
            if not isinstance(content, dict):
                joined[section] = content
                continue
            known = joined.setdefault(section, {})
            if twice := known.keys() & content.keys():
                raise ValueError(f"{path.name} defines {sorted(twice)} of {section} again")
            known.update(content)
    resources = joined.get("Resources", {})
    return joined | ({"Resources": with_channels(resources, CHANNELS)} if resources else {})
