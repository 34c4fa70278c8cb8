"""A YAML text as content, and where a place of it stands in its file."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import yaml

from firmware_profiles.errors import NotYaml

Place = Sequence[str | int]


def content_of(text: str) -> Any:
    """What a YAML text says. Raises NotYaml."""
    with _foreign_errors():
        return yaml.load(text, Loader=_SafeLoader)  # noqa: S506 - a safe one


class _SafeLoader(yaml.CSafeLoader):
    """PyYAML lets through what its constructors raise: for `2026-02-31`, `0b_`, `!!bool x`."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """One node, from PyYAML. Raises NotYaml with its line."""
        try:
            return super().construct_object(node, deep)
        except (ValueError, ArithmeticError, LookupError, AttributeError, TypeError) as error:
            raise NotYaml(f"{str(node.value)[:60]!r}: {error}"[:200], node.start_mark.line + 1) from error


class Positions:
    """Lines of the places of one document. Raises NotYaml."""

    def __init__(self, text: str) -> None:
        with _foreign_errors():
            self._root = yaml.compose(text, Loader=yaml.SafeLoader)

    def line_of(self, place: Place) -> int:
        """The line, counted from 1, of a place such as `("firmware", "refused", 0)`, or of what holds it."""
        node, line = self._root, 1
        for step in place:
            key, node = _below(node, step)
            if key is None:
                return line
            line = key.start_mark.line + 1
        return line


@contextmanager
def _foreign_errors() -> Iterator[None]:
    try:
        yield
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise NotYaml(str(error.problem or error)[:200], line) from error
    except yaml.YAMLError as error:
        raise NotYaml(str(error)[:200]) from error
    except RecursionError as error:
        raise NotYaml("nested too deep") from error


def _below(node: yaml.Node | None, step: str | int) -> tuple[yaml.Node | None, yaml.Node | None]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(step):
                return key, value
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step], node.value[step]
    return None, None
