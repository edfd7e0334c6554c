"""The expression tree, its parser and its printer."""

from dsl.syntax.build import call
from dsl.syntax.nodes import Node
from dsl.syntax.printer import to_text

Node._build = call
Node._to_text = to_text
