"""Where a place of a YAML document stands in its file."""

from collections.abc import Sequence

import yaml

Place = Sequence[str | int]


class Positions:
    """Lines of the places of one document. Raises yaml.YAMLError."""

    def __init__(self, text: str) -> None:
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


def _below(node: yaml.Node | None, step: str | int) -> tuple[yaml.Node | None, yaml.Node | None]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(step):
                return key, value
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step], node.value[step]
    return None, None
