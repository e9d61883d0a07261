"""Paths of files in the program: which text reads as a Windows path, which names and calls take paths."""

import re
from collections.abc import Iterable, Iterator, Sequence
from enum import IntEnum
from typing import TYPE_CHECKING, TypeVar

import libcst as cst

from torchlint.semantic.literals import HOLE, Escape, Literal, Meaning, pieces
from torchlint.semantic.values import alternatives

if TYPE_CHECKING:
    from torchlint.semantic.facts import Call

_NAME = re.compile(
    r"(?:_|^)(?:path|dir|directory|directorie|root|folder|(file|filename)|ckpt|save_to|filepath|dirname|pathname)s?\d*$"
)
_PLACE = re.compile(r"(?:_|^)(?:path|dir|directory|root|folder|cwd)s?\d*(?:_|$)")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

# Callables all of whose positional arguments are paths, by prefix of the qualified name or by the name.
_ALL_PREFIXES = ("os.path.", "posixpath.", "ntpath.", "shutil.")
_ALL = frozenset({
    "pathlib.Path", "pathlib.PosixPath", "pathlib.WindowsPath", "pathlib.PurePath", "pathlib.PureWindowsPath",
    "os.listdir", "os.scandir", "os.walk", "os.mkdir", "os.makedirs", "os.rmdir", "os.removedirs", "os.remove",
    "os.unlink", "os.rename", "os.renames", "os.replace", "os.stat", "os.chdir", "os.startfile", "os.symlink",
    "os.link",
})  # fmt: skip
# Callables whose first argument is one, by prefix or name.
_FIRST_PREFIXES = ("torchvision.datasets.", "pandas.read_", "skimage.io.imread", "imageio.", "tifffile.im")
_FIRST = frozenset({
    "builtins.open", "io.open", "codecs.open", "gzip.open", "bz2.open", "lzma.open", "tarfile.open", "wave.open",
    "zipfile.ZipFile", "glob.glob", "glob.iglob", "torch.load", "torch.jit.load", "torch.from_file",
    "torch.utils.tensorboard.SummaryWriter", "tensorboardX.SummaryWriter", "torchvision.io.read_image",
    "torchvision.io.decode_image", "torchvision.io.read_video", "torchvision.io.read_file", "torchaudio.load",
    "torchaudio.info", "torchaudio.save", "PIL.Image.open", "cv2.imread", "cv2.imwrite", "cv2.VideoCapture",
    "cv2.VideoWriter", "cv2.imreadmulti", "cv2.CascadeClassifier", "numpy.load", "numpy.save", "numpy.savez",
    "numpy.savez_compressed", "numpy.loadtxt", "numpy.savetxt", "numpy.genfromtxt", "numpy.fromfile", "numpy.memmap",
    "matplotlib.pyplot.savefig", "matplotlib.pyplot.imread", "matplotlib.pyplot.imsave", "matplotlib.image.imread",
    "scipy.io.loadmat", "scipy.io.savemat", "scipy.io.wavfile.read", "h5py.File", "nibabel.load", "librosa.load",
    "soundfile.read", "joblib.load", "sys.path.append", "zarr.open",
})  # fmt: skip
_SECOND = frozenset({
    "torch.save", "torch.jit.save", "torchvision.utils.save_image", "torchvision.io.write_file",
    "torchvision.io.write_png", "torchvision.io.write_jpeg", "joblib.dump", "sys.path.insert",
})  # fmt: skip
# Methods that take a path first, whatever they are called on.
_METHODS = frozenset({"to_csv", "to_excel", "to_parquet", "to_pickle", "savefig", "joinpath"})
_KEYWORDS = frozenset({
    "f", "fp", "fname", "filepath_or_buffer", "path_or_buf", "io", "src", "dst", "pathname", "top", "uri", "logdir",
})  # fmt: skip
# Calls whose text is for a reader, a pattern, or a separator.
_TEXT_CALLS = frozenset({
    "print", "write", "writelines", "debug", "info", "warning", "warn", "error", "critical", "exception", "log", "echo",
    "compile", "match", "fullmatch", "search", "sub", "subn", "findall", "finditer", "split", "rsplit", "replace",
    "strip", "lstrip", "rstrip", "set_description", "set_postfix_str", "xlabel", "ylabel", "title", "suptitle", "text",
    "set_xlabel", "set_ylabel", "set_title", "annotate",
})  # fmt: skip
_EXCEPTION = re.compile(r"(?:Error|Exception|Warning)$")
_START_OF_PATH = re.compile(r"[A-Za-z]:(?:$|[\\/])|\.\.?[\\/]")
_ARGUMENT = TypeVar("_ARGUMENT")

_LATEX = re.compile(
    r"""(?:alpha|beta|gamma|delta|(?:var)?epsilon|zeta|eta|(?:var)?theta|iota|kappa|lambda|mu|nu|xi|pi|rho|sigma|tau
    |upsilon|(?:var)?phi|chi|psi|omega|Gamma|Delta|Theta|Lambda|Xi|Pi|Sigma|Phi|Psi|Omega|[mp]m|mp|times|[cl]?dots?
    |div|ast|circ|[dt]?frac|sqrt|sum|prod|o?int|partial|nabla|infty|leq?|geq?|neq?|approx|equiv|sim|propto|(?:not)?in
    |subset|cup|cap|forall|exists|[Rr]ightarrow|[Ll]eftarrow|to|mapsto|[lr]angle|[lr]Vert|left|right|[Bb]igg?
    |text|text(?:bf|it|tt|rm|sc)|emph|underline|math(?:rm|bf|it|cal|bb|sf)|operatorname|hat|bar|vec|tilde|ddot
    |overline|(?:und|ov)erbrace|begin|end|hline|(?:top|mid|bottom)rule|cline|multi(?:column|row)|centering|caption
    |label|ref|cite|(?:sub)*section|includegraphics|usepackage|documentclass|newcommand|item|log|ln|exp|sin|cos|tan
    |min|max|q?quad|degree)(?![A-Za-z])""",
    re.VERBOSE,
)
_CONTROLS = ("\\n", "\\t", "\\r")
_DRIVE = re.compile(r"[A-Za-z]:")
_DRIVE_BEFORE = re.compile(r"(?:\A|[^A-Za-z]|\\[nrt])[A-Za-z]:\\\S*$")
_DOTS = re.compile(r"\.\.?")
_SEPARATOR = re.compile(r"[\\/]")
_EXTENSION = re.compile(r"\w\.\w{1,5}$")
# A component of a path: in the wide sense of what Windows allows, and as it is seldom part of any other text.
_WIDE = re.compile(r"(?:[^\s<>:\"|](?:[^\t\r\n\f\v<>:\"|]*[^\s<>:\"|])?)?")
_STRICT = re.compile(rf"[\w.{HOLE}-]{{2,}}|{HOLE}|\d")
_REGEX = re.compile(r"\\[dDwWsSbB](?:[*+?{(\[)|$\\]|\Z)|\(\?|\[\^|\.[*+]")
# `//server` of a share, of which Python left one backslash.
_SHARE = re.compile(r"\\\\[A-Za-z][\w.$-]+\\[^\\]{2,}\\")


class Role(IntEnum):
    """What a literal is used for, the surest last.

    TEXT: to be read, or a pattern. FILE: what is called a file, a path or the text in it. NAMED: what is called a
    path. PATH: it is given to something that takes a path.
    """

    UNKNOWN = 0
    TEXT = 1
    FILE = 2
    NAMED = 3
    PATH = 4


def role_of_name(name: str) -> Role:
    """What a variable, parameter, key or option holds by its name: `data_dir`, `ROOT`, `imgPath`, `--save-to`."""
    match = _NAME.search(_words(name))
    return Role.UNKNOWN if match is None else Role.FILE if match.group(1) else Role.NAMED


def is_place(node: cst.CSTNode) -> bool:
    """Whether an expression is called a folder or path (`path_data`, `args["data_dir"]`), or is `os.getcwd()`."""
    if isinstance(node, cst.Name):
        return _PLACE.search(_words(node.value)) is not None
    if isinstance(node, cst.Attribute):
        return is_place(node.attr)
    if isinstance(node, cst.Subscript):
        return role_of_target(node) is Role.NAMED
    return isinstance(node, cst.Call) and _last_name(node.func) == "getcwd"


def role_of_target(target: cst.BaseExpression) -> Role:
    """What is assigned to a target by its name: a variable, attribute, or item with a literal key."""
    if isinstance(target, cst.Name):
        return role_of_name(target.value)
    if isinstance(target, cst.Attribute):
        return role_of_name(target.attr.value)
    if isinstance(target, cst.Subscript) and len(target.slice) == 1:
        index = target.slice[0].slice
        if isinstance(index, cst.Index) and isinstance(index.value, cst.SimpleString):
            return role_of_name(index.value.raw_value)
    return Role.UNKNOWN


def argument_roles(node: cst.Call) -> Iterator[tuple[cst.BaseExpression, Role]]:
    """What the arguments of a call are by the name of what is called, and by their keywords."""
    name = _last_name(node.func)
    positional = Role.TEXT if name in _TEXT_CALLS or _EXCEPTION.search(name) else Role.UNKNOWN
    option = Role.UNKNOWN
    if name == "add_argument":
        options = (arg.value.raw_value for arg in node.args if isinstance(arg.value, cst.SimpleString))
        option = max(map(role_of_name, options), default=option)
    for arg in node.args:
        if arg.keyword is None:
            yield arg.value, positional
        else:
            yield arg.value, option if arg.keyword.value == "default" else role_of_name(arg.keyword.value)


def begins_path(node: cst.BaseExpression) -> bool:
    """Whether a concatenation begins with a place or the start of a path."""
    while isinstance(node, (cst.BinaryOperation, cst.ConcatenatedString)):
        node = node.left
    return is_place(node) or (isinstance(node, cst.SimpleString) and _START_OF_PATH.match(node.raw_value) is not None)


def pieces_of_paths(call: "Call") -> Iterator[cst.CSTNode]:
    """The literals that make up the paths which a call is given, written there or known to come from elsewhere."""
    node = call.node
    if not isinstance(node, cst.Call):
        return
    positional = [arg.value for arg in node.args if arg.keyword is None and not arg.star]
    keywords = [(arg.keyword.value, arg.value) for arg in node.args if arg.keyword is not None]
    places: list[cst.CSTNode] = [*_paths_among(call, positional, keywords)]
    for value in _paths_among(call, call.arguments.positional, call.arguments.keywords.items()):
        places += [option.origin.node for option in alternatives(value) if option.origin is not None]
    for place in places:
        # A list of texts is as likely their content (`np.loadtxt`).
        if not isinstance(place, (cst.List, cst.Tuple)):
            yield from pieces(place)


def meant_as_separators(literal: Literal, role: Role) -> tuple[Escape, ...]:
    """The escapes of a literal that were meant as backslashes of a Windows path; none if it does not read as one.

    A tab or line break at the end of a text is taken for what it says.
    """
    body, end = literal.body, _end(literal)
    if any(escape.meaning in (Meaning.QUOTE, Meaning.JOINED) for escape in literal.escapes) or "\n" in body:
        return ()
    meant = tuple(escape for escape in literal.escapes if escape.end <= end and _may_separate(literal, escape))
    if not meant or not _reads_as_path(literal, meant, role, end):
        return ()
    if any(escape.meaning is Meaning.BACKSLASH and escape.end < len(body) for escape in literal.escapes):
        return meant
    # Who wrote no backslash twice but the last, which has to be, did not mean the others as escapes either.
    return tuple(e for e in literal.escapes if e in meant or (e.end <= end and not _is_itself(literal, e)))


def meant_as_backslashes(literal: Literal, is_documentation: bool) -> tuple[Escape, ...]:
    """The escapes that were meant as plain backslashes, of a literal that Python cannot read.

    In a path and in documentation all of them; in other text those that stand in a path or are no usual escapes.
    """
    end = _end(literal)
    single = (Meaning.CHARACTER, Meaning.KEPT, Meaning.BROKEN)
    found = [escape for escape in literal.escapes if escape.meaning in single and not _is_color(literal, escape)]
    if is_documentation or meant_as_separators(literal, Role.PATH):
        return tuple(escape for escape in found if escape.end <= end)
    return tuple(
        escape
        for escape in found
        if escape.meaning is not Meaning.CHARACTER
        or (escape.end <= end and _may_separate(literal, escape) and _follows_drive(literal, escape))
    )


def loses_share(literal: Literal) -> bool:
    r"""Whether the two backslashes before a server's name are written as such, so that Python makes one of them."""
    backslashes = [escape for escape in literal.escapes if escape.meaning is Meaning.BACKSLASH]
    return len(backslashes) == 1 and backslashes[0].start == 0 and _SHARE.match(literal.body) is not None


def _words(name: str) -> str:
    return _HUMP.sub("_", name.lstrip("-").replace("-", "_")).lower()


def _paths_among(
    call: "Call", positional: Sequence[_ARGUMENT], keywords: Iterable[tuple[str, _ARGUMENT]]
) -> list[_ARGUMENT]:
    """Those of the arguments (nodes or values) of a call that it takes as paths."""
    name = call.name or ""
    if name in _ALL or name.startswith(_ALL_PREFIXES):
        found = positional
    elif name in _FIRST or name.startswith(_FIRST_PREFIXES) or _is_path_method(call.node):
        found = positional[:1]
    elif name in _SECOND:
        found = positional[1:2]
    else:
        return []
    return [*found, *(value for keyword, value in keywords if keyword in _KEYWORDS or role_of_name(keyword))]


def _last_name(function: cst.BaseExpression) -> str:
    if isinstance(function, cst.Attribute):
        return function.attr.value
    return function.value if isinstance(function, cst.Name) else ""


def _is_path_method(node: cst.CSTNode) -> bool:
    return isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute) and node.func.attr.value in _METHODS


def _end(literal: Literal) -> int:
    """Where the text ends but for its line breaks and tabs."""
    end = len(literal.body)
    for escape in reversed(literal.escapes):
        if escape.end != end or escape.text not in _CONTROLS:
            break
        end = escape.start
    return end


def _may_separate(literal: Literal, escape: Escape) -> bool:
    """Whether a path's component may begin with the letter of this escape."""
    if escape.meaning is not Meaning.CHARACTER:
        return escape.meaning is not Meaning.BACKSLASH
    letter, after = escape.text[1], literal.body[escape.end : escape.end + 1]
    if letter in "ntr":
        # `\nText` and `\tLoss` are line breaks and tabs: hardly a folder is called `nText`.
        return after.isascii() and (after.islower() or after.isdigit() or after == "_")
    if letter in "abfv":
        return after.isalnum() or after in ("_", "-", ".", HOLE)
    if letter == "x":
        # `C:\xdata`, but not `a:\x85`.
        word = _SEPARATOR.split(literal.body[escape.start + 1 :], maxsplit=1)[0]
        return escape.start == 2 and _DRIVE.match(literal.body) is not None and word.isalpha() and len(word) > 3
    # Octal: a folder called `001`; but not `\033[0m` and not a NUL.
    return letter.isdigit() and int(escape.text[1:], 8) > 0 and not _is_color(literal, escape)


def _is_itself(literal: Literal, escape: Escape) -> bool:
    r"""Whether an escape is one: a backslash, a character by its code that ends a word (`caf\xe9`), or a color."""
    if escape.meaning is not Meaning.CHARACTER:
        return escape.meaning is Meaning.BACKSLASH
    after = literal.body[escape.end : escape.end + 1]
    return _is_color(literal, escape) or (escape.text[1] in "xuUN" and not (after.isalnum() or after == "_"))


def _is_color(literal: Literal, escape: Escape) -> bool:
    return escape.meaning is Meaning.CHARACTER and literal.body[escape.end : escape.end + 1] == "["


def _follows_drive(literal: Literal, escape: Escape) -> bool:
    """Whether a path that begins with a drive reaches from there to this escape, without white space."""
    return _DRIVE_BEFORE.search(literal.body[: escape.start + 1]) is not None


def _reads_as_path(literal: Literal, meant: Sequence[Escape], role: Role, end: int) -> bool:
    body, first = literal.body, literal.escapes[0]
    text = body[:end].replace("\\\\", "\\")
    drive, dots = _DRIVE.match(text), _DOTS.match(text)
    components = _SEPARATOR.split(text[drive.end() :] if drive else text)
    if not all(_WIDE.fullmatch(component) for component in components):
        return False
    # Where each escape is a line break or a tab, the text may be lines or columns of words.
    columns = all(escape.text in _CONTROLS for escape in meant)
    lengths = [_component(body, escape) for escape in meant]
    if columns and min(lengths) < 2:
        return False
    if role is Role.PATH:
        return True
    if _REGEX.search(text) or (columns and min(lengths) < 3):
        return False
    long = len(components) > 2 or _EXTENSION.search(text) is not None
    if drive is not None and first.start == drive.end():
        if columns and first.meaning is Meaning.BACKSLASH:
            return long or role is Role.NAMED
        return not columns or long or role is not Role.TEXT
    # A line break or a tab that cannot begin a component says that the text is text.
    if any(escape.text in _CONTROLS and escape.end <= end and escape not in meant for escape in literal.escapes):
        return False
    if role is Role.TEXT or "b" in literal.prefix.lower() or _is_latex(components):
        return False
    if role in (Role.FILE, Role.NAMED) and (not columns or (end == len(body) and " " not in text)):
        return long or role is Role.NAMED or not columns
    if not all(_STRICT.fullmatch(component) for component in components[1:]):
        return False
    if dots is not None and first.start == dots.end():
        return not columns or long
    if loses_share(literal) or body.startswith("\\\\\\\\"):
        return True
    return len(meant) > 1 and not columns and _STRICT.fullmatch(components[0]) is not None


def _component(body: str, escape: Escape) -> int:
    """How many characters the component has that begins with the letter of an escape."""
    return len(_SEPARATOR.split(body[escape.start + 1 :], maxsplit=1)[0])


def _is_latex(components: Sequence[str]) -> bool:
    return any(_LATEX.match(component) for component in components[1:])
