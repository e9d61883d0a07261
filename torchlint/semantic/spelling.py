"""Methods that tensors do not have, and those that were meant."""

from functools import cache

from torchlint.semantic.knowledge import is_tensor_method, is_tensor_property, tensor_methods

# What arrays of NumPy have under these names.
OF_ARRAYS = {"copy": "clone", "astype": "to"}
# Names shorter than these are near to too many others, at one and at two changed letters.
_LENGTHS = (4, 8)
# Methods of earlier versions, and of what may stand in a tensor's place.
_OTHERS = frozenset({"symeig", "eig", "solve", "lstsq", "matrix_rank", "resize", *dir(dict), *dir(list), *dir(str)})


@cache
def meant(name: str) -> str | None:
    """The method of tensors that a name without meaning there stands for; None where none or several are as near.

    `unsqeeze` may stand for `unsqueeze` and, one letter further, for its twin that works in place: the nearest counts.
    """
    if is_tensor_method(name) or is_tensor_property(name):
        return None
    if name in OF_ARRAYS:
        return OF_ARRAYS[name]
    if name in _OTHERS or name.startswith("_"):
        return None
    for distance, length in enumerate(_LENGTHS, 1):
        if len(name) >= length:
            near = [known for known in tensor_methods() if known[0] != "_" and _near(name, known, distance)]
            if distance > 1:
                # Whoever mistypes two letters hits the first one.
                near = [known for known in near if known[0] == name[0]]
            if near:
                return near[0] if len(near) == 1 else None
    return None


def _near(a: str, b: str, distance: int) -> bool:
    """Whether two names differ by so many letters, added, left out, changed, or two next to each other exchanged."""
    # Each change takes a letter out of one set, puts another one in, or both.
    if abs(len(a) - len(b)) > distance or len(set(a) ^ set(b)) > 2 * distance:
        return False
    before: list[int] = []
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        above, row = row, [i]
        for j, y in enumerate(b, 1):
            cost = min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        before = above
    return row[-1] <= distance
