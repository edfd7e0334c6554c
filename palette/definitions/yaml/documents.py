"""Definitions as YAML documents, which load to equal objects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from palette.definitions.models import Entity, FeatureGroup
from palette.errors import DefinitionError, nearest
from palette.paths import COPY_HERE, local_path

__all__ = ["dump_definitions", "from_plain", "load_definitions", "plain_yaml", "read_yaml", "to_plain"]

SECTIONS: dict[str, type[Entity] | type[FeatureGroup]] = {"entities": Entity, "feature_groups": FeatureGroup}
MAX_CHARACTERS = 10_000_000
TAG = "tag:yaml.org,2002:"
STRING, COLLECTIONS = f"{TAG}str", (f"{TAG}map", f"{TAG}seq")


def load_definitions(source: str | Path, *more: str | Path) -> list[Entity | FeatureGroup]:
    """Read definitions from YAML files, or from folders of them.

    Parameters
    ----------
    source, *more : path, or str with YAML text
        A ``str`` with a line break is the text itself. A file that is listed twice is read once.

    Returns
    -------
    list of Entity and FeatureGroup
        Entities first.

    Raises
    ------
    DefinitionError
        If the text is not YAML, has anchors or duplicate keys, a definition is wrong, or a name is defined twice; the
        files are named.

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
    loaded: dict[str, tuple[Entity | FeatureGroup, str]] = {}
    for text, where in _documents((source, *more)):
        for definition in _definitions(text, where):
            first, file = loaded.setdefault(_label(definition), (definition, where))
            if first is not definition:
                files = f"in {where}" if file == where else f"in {file} and in {where}"
                raise DefinitionError(f"{_label(definition)} is defined twice, {files}; remove one of them")
    return sorted((definition for definition, _ in loaded.values()), key=lambda item: isinstance(item, FeatureGroup))


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

    from palette.definitions.yaml.core_schema import CoreDumper

    document: dict[str, list[Any]] = {}
    for definition in definitions:
        section = "entities" if isinstance(definition, Entity) else "feature_groups"
        document.setdefault(section, []).append(to_plain(definition))
    return yaml.dump(document, Dumper=CoreDumper, sort_keys=False, allow_unicode=True)


def to_plain(definition: Entity | FeatureGroup) -> dict[str, Any]:
    """Return a definition as plain values for JSON and YAML, without defaults."""
    plain: dict[str, Any] = definition.model_dump(mode="python", exclude_defaults=True, by_alias=True)
    if isinstance(definition, FeatureGroup) and definition.source is not None:
        source = definition.source.model_dump(mode="json", exclude_none=True, by_alias=True)
        plain["source"] = {key: value for key, value in source.items() if value != [] and (value or key != "resources")}
    return _lists(plain)


def from_plain(plain: dict[str, Any], section: str) -> Entity | FeatureGroup:
    """Return the definition that :func:`to_plain` wrote."""
    return SECTIONS[section].of(plain)


def _lists(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _lists(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_lists(inner) for inner in value]
    return value


def _label(definition: Entity | FeatureGroup) -> str:
    if isinstance(definition, Entity):
        return f"entity {definition.name!r}"
    return f"feature group {definition.full_name!r}"


def _documents(sources: Iterable[str | Path]) -> Iterator[tuple[str, str]]:
    """Yield each document and its name for messages."""
    read: set[Path] = set()
    for source in sources:
        if isinstance(source, str) and "\n" in source:
            yield source, "the text"
            continue
        for file in _files(local_path(source, "a folder of definitions", COPY_HERE)):
            if file.resolve() not in read:
                read.add(file.resolve())
                yield _read_text(file, str(file)), str(file)


def _files(path: Path) -> list[Path]:
    try:
        if path.is_dir():
            files = sorted(file for file in path.rglob("*") if file.suffix in (".yaml", ".yml"))
        else:
            files = [path]
        if files and all(file.is_file() for file in files):
            return files
    except OSError as error:
        raise DefinitionError(f"no YAML file at {str(path)!r:.200}: {error.strerror}") from error
    raise DefinitionError(f"no YAML file at {str(path)!r}")


def read_yaml(file: Path, where: str) -> Any:
    """Return the contents of a YAML file; see :func:`plain_yaml`."""
    return plain_yaml(_read_text(file, where), where)


def _read_text(file: Path, where: str) -> str:
    try:
        with file.open(encoding="utf-8") as lines:
            return lines.read(MAX_CHARACTERS + 1)
    except (OSError, UnicodeDecodeError) as error:
        raise DefinitionError(f"cannot read {where}: {error}") from error


def plain_yaml(text: str, where: str) -> Any:
    """Return the value of a YAML 1.2 document; anchors are rejected, so that a short document cannot grow.

    Raises
    ------
    DefinitionError
        If it is not YAML, is too long, or has anchors, duplicate keys, or tags other than those of plain values.
    """
    import yaml

    from palette.definitions.yaml.core_schema import CoreLoader

    if len(text) > MAX_CHARACTERS:
        raise DefinitionError(f"{where}: more than {MAX_CHARACTERS:,} characters of YAML")
    try:
        loader = CoreLoader(text)
        root = loader.get_single_node()
        if root is None:
            return None
        _check_nodes(loader, root, where)
        return loader.construct_document(root)
    except (yaml.YAMLError, RecursionError) as error:
        raise DefinitionError(f"{where}: not YAML: {error}") from error


def _definitions(text: str, where: str) -> list[Entity | FeatureGroup]:
    document = plain_yaml(text, where)
    if document is None:
        return []
    if not isinstance(document, dict):
        raise DefinitionError(f"{where}: expected lists under the keys {', '.join(SECTIONS)}")
    definitions: list[Entity | FeatureGroup] = []
    for section, rows in document.items():
        if section not in SECTIONS:
            known = f"{nearest(str(section), SECTIONS)} (sections: {', '.join(SECTIONS)})"
            raise DefinitionError(f"{where}: unknown section {section!r:.80}{known}")
        if not isinstance(rows, list):
            raise DefinitionError(
                f"{where}: expected lists under the keys {', '.join(SECTIONS)}, with items such as '- name: x'"
            )
        for index, plain in enumerate(rows):
            try:
                definitions.append(from_plain(plain if isinstance(plain, dict) else {"name": plain}, section))
            except DefinitionError as error:
                raise DefinitionError(f"{where}: line {_line(text, section, index)}: {error}") from None
    return definitions


def _line(text: str, section: str, index: int) -> int:
    """Return the line on which a definition begins."""
    import yaml

    root = yaml.compose(text, Loader=yaml.SafeLoader)
    rows = next(rows for key, rows in root.value if key.value == section)
    return int(rows.value[index].start_mark.line) + 1


def _check_nodes(loader: Any, root: Any, where: str) -> None:
    import yaml

    seen: set[int] = set()
    waiting = [root]
    while waiting:
        node = waiting.pop()
        here = f"{where}: line {node.start_mark.line + 1}"
        if id(node) in seen:
            raise DefinitionError(f"{here}: YAML anchors are not accepted; write the value out")
        seen.add(id(node))
        if isinstance(node, yaml.ScalarNode):
            _check_scalar(loader, node, here)
            continue
        if node.tag not in COLLECTIONS:
            raise DefinitionError(
                f"{here}: only plain lists and mappings are accepted: remove the tag {node.tag!r:.200}"
            )
        if isinstance(node, yaml.SequenceNode):
            waiting.extend(node.value)
            continue
        counts = Counter(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
        if duplicate := next((key for key, count in counts.items() if count > 1), None):
            raise DefinitionError(f"{here}: duplicate key {duplicate!r:.200}")
        waiting.extend(inner for pair in node.value for inner in pair)


def _check_scalar(loader: Any, node: Any, here: str) -> None:
    """Reject a scalar that is tagged as, or looks like, a number or a date and is not one."""
    if node.tag == STRING:
        return
    try:
        loader.construct_object(node)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        problem = f"{node.value!r:.80} is not a valid {node.tag.removeprefix(TAG)} ({error})"
        raise DefinitionError(f"{here}: {problem}; put strings into quotes") from error
