"""What the variables and objects hold at a point of the program.

A state is a layer of writes over its parent, so that a branch costs what it writes. Below the last
layer lie the `base` contents of the cells themselves.
"""

from collections.abc import Sequence

from torchlint.semantic.values import UNKNOWN, Cell, Value, join

Key = tuple[Cell, str]


class State:
    """One layer of writes. `dead`: control never reaches this point."""

    __slots__ = ("dead", "parent", "writes")

    def __init__(self, parent: "State | None" = None) -> None:
        self.parent = parent
        self.writes: dict[Key, Value] = {}
        self.dead = False

    def get(self, cell: Cell, name: str) -> Value | None:
        """The content of a cell under a name, or None."""
        if name not in cell.written:
            return cell.base.get(name)
        key = (cell, name)
        state: State | None = self
        while state is not None:
            value = state.writes.get(key)
            if value is not None:
                return value
            state = state.parent
        return cell.base.get(name)

    def set(self, cell: Cell, name: str, value: Value) -> None:
        """Let a cell hold a value under a name."""
        cell.written.add(name)
        self.writes[(cell, name)] = value

    def resolve(self, cell: Cell, name: str, value: Value) -> None:
        """Put what a name stands for in its place, where it was bound: this changes nothing on any path."""
        key = (cell, name)
        state: State | None = self
        while state is not None:
            if key in state.writes:
                state.writes[key] = value
                return
            state = state.parent
        cell.base[name] = value

    def changes(self, before: "State") -> bool:
        """Whether this layer changes anything that was known in the state before."""
        for (cell, name), value in self.writes.items():
            known = before.get(cell, name)
            if known is not None and known is not value and known != value:
                return True
        return False

    def absorb(self, branches: Sequence["State"], *, widen: bool = False) -> None:
        """Go on after branches, each a layer over this one: what holds is what holds after any live one."""
        live = [branch for branch in branches if not branch.dead]
        if not live:
            self.dead = True
            return
        if len(live) == 1:
            self.writes.update(live[0].writes)
            return
        keys: dict[Key, None] = {}
        for branch in live:
            keys.update(dict.fromkeys(branch.writes))
        for key in keys:
            result: Value | None = None
            for branch in live:
                value = branch.writes.get(key)
                if value is None:
                    value = self.get(*key)
                # Not set on this path: reading it there would raise, so the other paths decide.
                if value is not None and value is not result:
                    result = value if result is None else join(result, value, widen=widen)
            self.writes[key] = UNKNOWN if result is None else result

    def commit(self) -> None:
        """Make the writes of this, the lowest, layer the base contents of their cells."""
        for (cell, name), value in self.writes.items():
            cell.base[name] = value
            cell.written.discard(name)
        self.writes.clear()


def rebased(state: State, base: State) -> State:
    """What has been written since `base`, as one layer over it; later writes do not change it."""
    chain = []
    current: State | None = state
    while current is not None and current is not base:
        chain.append(current)
        current = current.parent
    flat = State(base)
    for layer in reversed(chain):
        flat.writes.update(layer.writes)
    return flat
