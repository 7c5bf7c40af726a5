"""Reads YAML into nodes that know their place in the file, down to each character of a value.

    bytes -> events of libyaml's parser -> nodes, or problems (`reader`, with help for what YAML takes amiss in `misreadings`)
    node  -> its parts, and its places in the file (`nodes`, `places`)

Nodes are built from the events of libyaml's parser: its composer crashes on deep nesting and drops duplicate keys. Plain scalars are
resolved here, by the core schema of YAML 1.2, so `no` and `12:30` stay text. A mistake that leaves the rest readable is reported and
passed over, and the node that it spoiled is `broken`, so that nobody complains twice. Pure: bytes in, values out; caps bound the work.
"""

from pointsman.core.yamlnodes.nodes import Entry, Mapping, Node, Scalar, Sequence, find, key_of, plain
from pointsman.core.yamlnodes.reader import parse

__all__ = ["Entry", "Mapping", "Node", "Scalar", "Sequence", "find", "key_of", "parse", "plain"]
