"""Scans a template for policies that allow too much, with cfripper's rules; offline."""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pycfmodel
from cfripper.config.config import Config
from cfripper.rule_processor import RuleProcessor
from cfripper.rules import DEFAULT_RULES

from infra.package import PROJECT

POLICIES = PROJECT / "infra" / "policies"
NOBODY = "123456789012"


def findings(template: Mapping[str, Any]) -> list[str]:
    """What the rules find, as `rule: reason`. A rule that breaks is an error."""
    known = {name: part for name, part in template.items() if name not in ("Globals", "Rules", "Transform")}
    config = Config(rules=list(DEFAULT_RULES), aws_account_id=NOBODY, aws_principals=[])
    rules = [DEFAULT_RULES[name](config) for name in config.rules]
    logging.getLogger("pycfmodel").setLevel(logging.ERROR)  # it tells of each type that has no policies
    result = RuleProcessor(*rules).process_cf_template(cfmodel=pycfmodel.parse(known), config=config)
    assert not result.exceptions, result.exceptions
    return [f"{each.rule}: {each.reason}" for each in result.failures]


def policy(name: str) -> dict[str, Any]:
    """A policy for people, as it is kept: `deployer`, `domain`, `operator`."""
    document: dict[str, Any] = json.loads(Path(POLICIES, f"{name}.json").read_text("utf-8"))
    return document


def actions(name: str) -> set[str]:
    """What a policy for people allows."""
    return {action for statement in policy(name)["Statement"] for action in statement["Action"]}
