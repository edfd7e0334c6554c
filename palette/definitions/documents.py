"""Definitions as YAML: the same words, loading to equal objects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from palette.definitions.models import Entity, FeatureGroup
from palette.errors import DefinitionError, nearest

__all__ = ["dump_definitions", "from_plain", "load_definitions", "plain_yaml", "to_plain"]

SECTIONS: dict[str, type[Entity] | type[FeatureGroup]] = {"entities": Entity, "feature_groups": FeatureGroup}
MAX_CHARACTERS = 10_000_000


def load_definitions(source: str | Path) -> list[Entity | FeatureGroup]:
    """Read definitions from a YAML file, or from a folder of them.

    Parameters
    ----------
    source : path, or str with YAML text
        A ``str`` with a line break is the text itself.

    Returns
    -------
    list of Entity and FeatureGroup
        Entities first.

    Raises
    ------
    DefinitionError
        If the text is not YAML, has anchors or double keys, or a definition is wrong; the file is named.

    Examples
    --------
    >>> text = '''
    ... entities: [{name: restaurant, keys: {r_id: string}}]
    ... feature_groups:
    ...   - {name: menu, entity: restaurant, features: [{name: dishes, dtype: bigint, default: 0}]}
    ... '''
    >>> [definition.name for definition in load_definitions(text)]
    ['restaurant', 'menu']
    """
    if isinstance(source, str) and "\n" in source:
        return _parse(source, "the text")
    path = Path(source)
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.suffix in (".yaml", ".yml"))
    else:
        files = [path]
    if not files or not all(file.is_file() for file in files):
        raise DefinitionError(f"no YAML file at {str(path)!r}")
    found = [definition for file in files for definition in _parse(file.read_text("utf-8"), str(file))]
    return sorted(found, key=lambda definition: isinstance(definition, FeatureGroup))


def dump_definitions(definitions: Iterable[Entity | FeatureGroup]) -> str:
    """Write definitions as YAML text that loads to equal objects.

    Examples
    --------
    >>> print(dump_definitions([Entity("plane", keys={"tailnum": "string"})]))
    entities:
    - name: plane
      keys:
        tailnum: string
    <BLANKLINE>
    """
    import yaml

    document: dict[str, list[Any]] = {}
    for definition in definitions:
        section = "entities" if isinstance(definition, Entity) else "feature_groups"
        document.setdefault(section, []).append(to_plain(definition))
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True)


def to_plain(definition: Entity | FeatureGroup) -> dict[str, Any]:
    """Return a definition as what JSON and YAML hold, without what is default."""
    plain: dict[str, Any] = definition.model_dump(mode="python", exclude_defaults=True, by_alias=True)
    if isinstance(definition, FeatureGroup) and definition.source is not None:
        source = definition.source.model_dump(mode="json", exclude_none=True, by_alias=True)
        plain["source"] = {word: value for word, value in source.items() if value != []}
    return _lists(plain)


def from_plain(plain: dict[str, Any], section: str) -> Entity | FeatureGroup:
    """Return the definition that :func:`to_plain` wrote."""
    kind = SECTIONS[section]
    missing = [field for field, info in kind.model_fields.items() if info.is_required() and field not in plain]
    if missing:
        raise DefinitionError(f"{kind.__name__} {plain.get('name', '?')!r}: {', '.join(missing)} missing")
    return kind(**plain)


def _lists(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _lists(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_lists(inner) for inner in value]
    return value


def plain_yaml(text: str, where: str) -> Any:
    """Return what a YAML text says, without anchors, so that a short text cannot grow.

    Raises
    ------
    DefinitionError
        If it is not YAML, is too long, or has anchors or double keys.
    """
    import yaml

    if len(text) > MAX_CHARACTERS:
        raise DefinitionError(f"{where}: more than {MAX_CHARACTERS:,} characters of YAML")
    try:
        _refuse_anchors_and_double_keys(yaml.compose(text, Loader=yaml.SafeLoader), where)
        return yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        raise DefinitionError(f"{where}: not YAML: {error}") from error


def _parse(text: str, where: str) -> list[Entity | FeatureGroup]:
    document = plain_yaml(text, where)
    if document is None:
        return []
    if not isinstance(document, dict) or not all(isinstance(rows, list) for rows in document.values()):
        raise DefinitionError(f"{where}: expected lists under the words {', '.join(SECTIONS)}")
    for section in document:
        if section not in SECTIONS:
            raise DefinitionError(f"{where}: unknown section {section!r}{nearest(str(section), SECTIONS)}")
    try:
        return [
            from_plain(plain if isinstance(plain, dict) else {"name": plain}, section)
            for section in SECTIONS
            for plain in document.get(section, ())
        ]
    except DefinitionError as error:
        raise DefinitionError(f"{where}: {error}") from error


def _refuse_anchors_and_double_keys(root: Any, where: str) -> None:
    import yaml

    seen: set[int] = set()
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            line = node.start_mark.line + 1
            raise DefinitionError(f"{where}: line {line}: YAML anchors are not taken; write the value out")
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            waiting.extend(node.value)
        elif isinstance(node, yaml.MappingNode):
            counts = Counter(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
            if double := next((key for key, count in counts.items() if count > 1), None):
                raise DefinitionError(f"{where}: line {node.start_mark.line + 1}: {double!r} stands twice")
            waiting.extend(inner for pair in node.value for inner in pair)
