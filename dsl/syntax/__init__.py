"""The expression tree, its parser and its printer."""

from dsl.syntax import build, nodes, printer

# Operators build trees and nodes print themselves; both modules import the nodes, not the other way round.
nodes.CONNECTED.update(call=build.call, to_text=printer.to_text)
