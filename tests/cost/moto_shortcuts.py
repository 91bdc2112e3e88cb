"""Shortcuts through moto, for thousands of updates whose expressions are the same but for their values.

moto parses each expression three times and checks it in ways that take the square of its length. All other
tests let it check what the functions write; here only what they store matters.
"""

from functools import cache
from typing import Any

import pytest
from moto.dynamodb.parsing.ast_nodes import DepthFirstTraverser  # type: ignore[attr-defined]
from moto.dynamodb.parsing.expressions import UpdateExpressionParser  # type: ignore[attr-defined]
from moto.dynamodb.parsing.validators import (
    ActionCountValidator,
    OverlappingPathsValidator,
    UpdateExpressionValidator,
    UpdateHashRangeKeyValidator,
)

ONLY_CHECKS = (ActionCountValidator, OverlappingPathsValidator, UpdateHashRangeKeyValidator)
"""These change nothing, as against the others, which put values into the expression."""


def take(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have moto parse each expression once, and not check it."""
    parse, processors = UpdateExpressionParser.make, UpdateExpressionValidator.get_ast_processors
    node_types = DepthFirstTraverser.nodes_to_be_processed
    # What is parsed is copied before it is changed.
    monkeypatch.setattr(UpdateExpressionParser, "make", staticmethod(cache(parse)))

    def without_checks(validator: Any) -> list[Any]:
        return [each for each in processors(validator) if not isinstance(each, ONLY_CHECKS)]

    def kept(traverser: Any) -> Any:
        if "_node_types" not in vars(traverser):
            traverser._node_types = node_types(traverser)
        return traverser._node_types

    monkeypatch.setattr(UpdateExpressionValidator, "get_ast_processors", without_checks)
    monkeypatch.setattr(DepthFirstTraverser, "nodes_to_be_processed", kept)
