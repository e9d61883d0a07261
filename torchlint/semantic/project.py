"""The files of a project: which file an import means, and what that file defines."""

import gc
import posixpath
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence

import libcst as cst

from torchlint.locate import Extent, extents_in_text
from torchlint.parse import ParseProblem, parse
from torchlint.semantic.values import Frame, Value
from torchlint.source import Source, SourceError

# Imported files stay parsed until their sources together exceed this many characters: a parsed tree takes
# about 75 bytes for each character.
KEPT_CHARACTERS = 4_000_000
# A linted file that is larger is not kept for the next ones in its folder.
RECENT_CHARACTERS = 40_000
# How far above a file its imports are looked for when nothing marks the project's root.
MAX_PARENTS = 4
ROOT_MARKERS = ("pyproject.toml", "setup.py", "setup.cfg", ".git/HEAD")
# Packages that a project does not shadow by files of its own.
EXTERNAL = frozenset(sys.stdlib_module_names - {"test", "this"}) | {
    "torch", "torchvision", "torchaudio", "numpy", "scipy", "matplotlib", "pandas", "sklearn", "PIL", "cv2", "tqdm",
}  # fmt: skip


class Unit:
    """One parsed file: its source, its tree, and the frame of its module.

    `defined` tells whether the module's own code has been interpreted, so that the frame is complete.
    """

    def __init__(self, path: str, source: Source, module: cst.Module) -> None:
        self.path = path
        self.source = source
        self.module = module
        self.frame = Frame(self)
        self.defined = False
        # Packages outside the project that are star-imported, "" where unknown: any name may come from them.
        self.stars: list[str] = []
        # Files of the project that are star-imported.
        self.star_paths: list[str] = []

    def __repr__(self) -> str:
        return f"Unit({self.source.filename})"


class Trees:
    """Makes the tree of a source, and says where its nodes stand."""

    def parse(self, source: Source) -> cst.Module:
        """The tree of a source.

        Raises:
            ParseProblem: it does not parse.
        """
        return parse(source)

    def extents(self, module: cst.Module, text: str, nodes: Iterable[cst.CSTNode]) -> dict[int, Extent]:
        """The extent of each node of the tree of a text, by `id(node)`."""
        return extents_in_text(module, text, list(nodes))


class Project:
    """Finds and keeps the files that linted files import.

    Args:
        read: gives the bytes of a file by its absolute path (with `/`), or None if there is no such file.
        roots: absolute paths of further folders in which imports are looked for first.
        trees: makes the trees; one that keeps them from lint to lint may be given.
    """

    def __init__(
        self,
        read: Callable[[str], bytes | None],
        roots: Sequence[str] = (),
        trees: "Trees | None" = None,
    ) -> None:
        self.read = read
        self.roots = tuple(roots)
        self.trees = trees or Trees()
        self._units: dict[str, Unit | None] = {}
        # Files of the folder that is being linted, which the next ones may import.
        self._recent: dict[str, tuple[str, cst.Module]] = {}
        self._recent_folder = ""
        self._kept = 0
        self._found: dict[tuple[str, str], str | None] = {}
        self._search: dict[str, tuple[str, ...]] = {}

    def resolve(self, importer: str, module: str, level: int = 0) -> str | None:
        """The path of the file that `importer` means by a dotted module name, or None.

        `level` counts the leading dots of a relative import.
        """
        folder = posixpath.dirname(importer)
        if level:
            for _ in range(level - 1):
                folder = posixpath.dirname(folder)
            return self._file(folder, module)
        if module.partition(".")[0] in EXTERNAL:
            return None
        for root in self._roots_of(folder):
            path = self._file(root, module)
            if path is not None:
                return path
        return None

    def _roots_of(self, folder: str) -> tuple[str, ...]:
        roots = self._search.get(folder)
        if roots is None:
            roots = self._search[folder] = tuple(dict.fromkeys((*self.roots, *self._walk_up(folder))))
        return roots

    def _walk_up(self, folder: str) -> Iterator[str]:
        for _ in range(MAX_PARENTS + 1):
            yield folder
            yield posixpath.join(folder, "src")
            if any(self.read(posixpath.join(folder, marker)) is not None for marker in ROOT_MARKERS):
                return
            parent = posixpath.dirname(folder)
            if parent == folder:
                return
            folder = parent

    def _file(self, folder: str, module: str) -> str | None:
        key = (folder, module)
        if key not in self._found:
            base = posixpath.join(folder, *module.split(".")) if module else folder
            candidates = (
                (posixpath.join(base, "__init__.py"),)
                if not module
                else (
                    base + ".py",
                    posixpath.join(base, "__init__.py"),
                )
            )
            self._found[key] = next((path for path in candidates if self.read(path) is not None), None)
        return self._found[key]

    def unit(self, path: str) -> Unit | None:
        """The file at a path, parsed and its module interpreted; None when it cannot be read or parsed.

        A file that is being interpreted already (an import cycle) is given as far as it is known.
        """
        if path in self._units:
            return self._units[path]
        unit = self._parse(path)
        self._units[path] = unit
        if unit is not None:
            from torchlint.semantic.interpret import define

            define(unit, self)
        return unit

    def tree(self, path: str, source: Source) -> cst.Module:
        """The tree of a file that is linted: the one that is kept if the file was imported before.

        Raises:
            ParseProblem: the source does not parse.
        """
        unit = self._units.get(path)
        if unit is not None and unit.source.text == source.text:
            return unit.module
        folder = posixpath.dirname(path)
        if folder != self._recent_folder:
            self._recent_folder = folder
            self._recent.clear()
        module = self.trees.parse(source)
        if len(source.text) < RECENT_CHARACTERS:
            self._recent[path] = (source.text, module)
        return module

    def _parse(self, path: str) -> Unit | None:
        data = self.read(path)
        if data is None:
            return None
        try:
            source = Source.from_bytes(path, data)
            text, module = self._recent.pop(path, (None, None))
            if module is None or text != source.text:
                module = self.trees.parse(source)
            unit = Unit(path, source, module)
        except (SourceError, ParseProblem):
            # The file's own lint says so; whoever imports it just does not know what it holds.
            return None
        self._kept += len(source.text)
        return unit

    def trim(self) -> None:
        """Between two files: let go of everything when it is too much.

        All at once, since the files refer to each other: one that is dropped alone lives on in the others,
        beside the new one that takes its place.
        """
        if self._kept > KEPT_CHARACTERS:
            for unit in self._units.values():
                if unit is not None:
                    unit.frame.close()
            self._units.clear()
            self._kept = 0
            gc.collect()


class Imported(Value):
    """A name bound by an import of a project file: the file, and the name in it (None: the module itself).

    It is looked up when it is first used, so that files whose names are not used are never parsed.
    """

    __slots__ = ("attribute", "path")

    def __init__(self, path: str, attribute: str | None) -> None:
        self.path = path
        self.attribute = attribute
        self.origin = None

    def _key(self) -> tuple[str, str | None]:
        return (self.path, self.attribute)

    def __repr__(self) -> str:
        return f"Imported({self.path}, {self.attribute})"
