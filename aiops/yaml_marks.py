"""YAML that remembers the line of each key, and refuses a key written twice.

Only ``true`` and ``false`` are booleans: in YAML 1.1 a group called NO would become False.
"""

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

Path = tuple[str | int, ...]

DEEPEST = 50
"""Levels of a document, far more than a config has."""


@dataclass
class Document:
    """A YAML document as plain data, with the line of each path in it."""

    data: Any
    lines: dict[Path, int] = field(default_factory=dict)
    duplicates: list[Path] = field(default_factory=list)

    def line(self, path: Path) -> int:
        """Return the line of `path`, or of the nearest thing above it that has one."""
        for end in range(len(path), 0, -1):
            if path[:end] in self.lines:
                return self.lines[path[:end]]
        return 1


class _Loader(yaml.SafeLoader):
    """Plain YAML without the words that YAML 1.1 takes for booleans."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in pairs if tag != "tag:yaml.org,2002:bool"]
    for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(true|false)$"), list("tf"))


def parse(text: str) -> Document:
    r"""Read YAML text.

    Raises
    ------
    yaml.YAMLError
        If `text` is not YAML.

    Examples
    --------
    >>> document = parse("a: 1\nb:\n  c: NO\n")
    >>> document.data, document.line(("b", "c"))
    ({'a': 1, 'b': {'c': 'NO'}}, 3)
    """
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        document = Document(None)
        if node is not None:
            document.data = _build(loader, node, (), document)
        return document
    finally:
        loader.dispose()


def parse_value(text: str) -> Any:
    """Read one value as it would stand after a colon."""
    return parse(text).data


def _build(loader: _Loader, node: yaml.Node, path: Path, document: Document) -> Any:
    document.lines.setdefault(path, node.start_mark.line + 1)
    if len(path) > DEEPEST:  # an alias inside its own anchor has no end
        raise yaml.MarkedYAMLError(problem="it holds itself", problem_mark=node.start_mark)
    if isinstance(node, yaml.MappingNode):
        mapping: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            key = loader.construct_object(key_node, deep=True)
            here = (*path, key)
            if key in mapping:
                document.duplicates.append(here)
            document.lines[here] = key_node.start_mark.line + 1
            mapping[key] = _build(loader, value_node, here, document)
        return mapping
    if isinstance(node, yaml.SequenceNode):
        return [_build(loader, item, (*path, i), document) for i, item in enumerate(node.value)]
    return loader.construct_object(node, deep=True)
