"""Properties of the rules about Windows paths in string literals, over generated literals.

What a literal denotes is asked of the running Python.
"""

import warnings
from collections.abc import Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from torchlint.diagnostic import Applicability, Diagnostic
from torchlint.fixer import fix
from torchlint.linter import lint
from torchlint.registry import load
from torchlint.source import Source

ESCAPE, UNTERMINATED = (
    next(rule for rule in load().rules if rule.name() == name)
    for name in ("windows-path-escape", "unterminated-path-string")
)

# Components whose first letter makes every kind of escape, and none.
WORDS = st.sampled_from([
    "Users", "users", "new", "train", "test", "raw", "bin", "files", "apps", "venv", "xray", "Names", "data", "images",
    "models", "001", "2020", "7", "_cache", ".git", "ucode", "x41b", "u4e2dx", "数据", "my-run", "nets", "my images",
])  # fmt: skip
# A path of nothing but these may as well be characters by their codes.
CODES = {"x41b", "u4e2dx"}
COMPONENTS = st.lists(WORDS, min_size=2, max_size=5).filter(lambda components: not CODES.issuperset(components))
PREFIXES = st.sampled_from(["", "b", "B", "u", "U", "f", "F"])
QUOTES = st.sampled_from(["'", '"', "'''", '"""'])
BODIES = st.text(st.sampled_from("\\\\\\\\ntrabfvxuUN0147dwsZ{}CD: ./_'\"e\n\té"), max_size=14)

SILENT = [
    r"re.compile('\bword\b')", r"x = '\d+\.\d*'", r"x = '^\s*\w+\s*$'", r"x = '(?P<n>\d+)\s'", r"x = 'T:\d{2}'",
    r"x = '[\w.-]+\.\w+'", r"x = '\S+\\d'", r"x = 'version\d\w\s'", r"re.split('\W+', x)", r"x = '\.py$'",
    r"plt.xlabel('$\alpha$ \beta')", r"x = '\nu'", r"x = '\theta\phi'", r"x = '\frac{1}{2}\pi'", r"x = '\in'",
    r"x = 'x\pm y\times z'", r"x = '\textbf{x}\rho'", r"x = f'{a}\pm{b}\times{c}'", r"x = 'a & b \\\\\hline\n'",
    r"x = '\033[0m'", r"x = '\x1b[1m'", r"x = '\033[91mred\033[0m'", r"x = '\r'", r"x = '\033[2K\rdone'",
    r"x = 'a\tb\n'", r"x = '\n'.join(y)", r"print(f'Epoch\t{loss}')", r"x = 'Epoch\tLoss\tAcc'", r"x = '\n\n'",
    r"print('D:\t%.3f' % y)", r"print('G:\tloss')", r"x = f'D:\t{y}'", r"x = 'first\nsecond\nthird'",
    r"x = y.replace('\\', '/').split('\\')", r"print('saved to C:\\out\n')", r"x = 'C:\\Users'", r"x = r'C:\new'",
    r"x = '\u4e2d\u6587'", r"x = 'caf\xe9'", r"x = '\N{BULLET}'", r"x = '\U0001F600'", r"x = b'\x89PNG\r\n\x1a\n'",
    r"x = 'a\0b'", r"x = 'it\'s'", r'x = "say \"hi\""', r"file = '\t'", r"path = 'path:\t%s'",
    r"dir = 'one\ntwo words'",
    r"sep = '\t'; pd.read_csv('a.csv', sep='\s+')", r"open('caf\xe9_\u4e2d.txt', newline='\r\n')",
]  # fmt: skip


def found(text: str) -> list[Diagnostic]:
    return lint(Source("code.py", text), [ESCAPE, UNTERMINATED])


def fixed(text: str, *, unsafe: bool) -> str:
    def again(source: Source) -> list[Diagnostic]:
        return lint(source, [ESCAPE, UNTERMINATED])

    return fix(Source("code.py", text), again, unsafe=unsafe).source.text


def value(text: str) -> object:
    """What the literal after `x = ` denotes; the exception's class where there is one, SyntaxError above all."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            namespace: dict[str, object] = {"n": "N"}
            exec(compile(text, "code.py", "exec"), namespace)
        except Exception as error:
            return type(error)
    return namespace["x"]


def escaped(components: Sequence[str]) -> str:
    """The same path as a literal that any Python reads."""
    return "\\".join(components)


@settings(max_examples=400, deadline=None)
@given(PREFIXES, QUOTES, BODIES)
@example("", "'", "D:\\data\\images")
@example("b", "'", "C:\\\\data\\Users")
@example("f", '"', "{n}\\data\\{n}\\.png")
@example("", "'", "C:\\Users\\")
def test_safe_fixes_keep_the_value_and_any_fix_compiles(prefix: str, quote: str, body: str) -> None:
    if "b" in prefix.lower() and not body.isascii():
        return
    text = f"x = {prefix}{quote}{body}{quote}\n"
    before = value(text)
    diagnostics = found(text)
    if any(diagnostic.code == "TL000" for diagnostic in diagnostics):
        return
    after = value(fixed(text, unsafe=False))
    assert after == before or before is SyntaxError
    if before is SyntaxError and {diagnostic.code for diagnostic in diagnostics} == {"TL901"}:
        assert value(fixed(text, unsafe=True)) is not SyntaxError


@settings(max_examples=300, deadline=None)
@given(PREFIXES, QUOTES, st.sampled_from(["C:", "d:", ".", ".."]), COMPONENTS)
def test_a_path_denotes_itself_once_fixed(prefix: str, quote: str, start: str, components: list[str]) -> None:
    path = escaped([start, *components])
    if "b" in prefix.lower() and not path.isascii():
        return
    text = f"x = {prefix}{quote}{path}{quote}\n"
    if not found(text):
        # Words that may as well be lines, columns or a formula.
        assert start.startswith(".") or CODES.intersection(components)
        return
    after = fixed(text, unsafe=True)
    denoted = value(after)
    assert (denoted.decode() if isinstance(denoted, bytes) else denoted) == path
    assert found(after) == []
    assert after == fixed(after, unsafe=True)


@settings(max_examples=200, deadline=None)
@given(PREFIXES, COMPONENTS, COMPONENTS)
def test_expressions_of_an_f_string_stay(prefix: str, before: list[str], after: list[str]) -> None:
    text = f"x = f'C:\\{escaped(before)}\\{{n}}\\{{n!r:>5}}\\{escaped(after)}'\n"
    assert value(fixed(text, unsafe=True)) == f"C:\\{escaped(before)}\\N\\{'N'!r:>5}\\{escaped(after)}"


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(["", "b", "r", "rb", "R"]), st.sampled_from("'\""), COMPONENTS, st.booleans())
def test_an_unterminated_path_ends_once_fixed(prefix: str, quote: str, components: list[str], called: bool) -> None:
    path = escaped(["C:", *components]) + "\\"
    if "b" in prefix and not path.isascii():
        return
    literal = f"{prefix}{quote}{path}{quote}"
    text = f"x = str({literal}, 'ascii')\n" if called and "b" in prefix else f"x = {literal}\ny = 'z'\n"
    assert value(text) is SyntaxError
    assert [diagnostic.code for diagnostic in found(text)] == ["TL902"]
    denoted = value(fixed(text, unsafe=True))
    assert (denoted.decode() if isinstance(denoted, bytes) else denoted) == path
    assert fixed(text, unsafe=False) == text


@pytest.mark.parametrize("text", SILENT)
def test_other_backslashes_are_left_alone(text: str) -> None:
    assert found(f"import re\nimport pandas as pd\n{text}\n") == []


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(SILENT), min_size=1, max_size=6))
def test_they_are_left_alone_together(lines: list[str]) -> None:
    assert found("import re\nimport pandas as pd\n" + "\n".join(lines) + "\n") == []


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_every_kind_of_line_break(newline: str) -> None:
    text = newline.join(["x = 'C:\\\\data\\'", "y = ['''a", "b''', \"D:\\\\b\\\"]", ""])
    assert [diagnostic.span.row for diagnostic in found(text)] == [1, 3]
    assert fixed(text, unsafe=True) == text.replace("\\'", "\\\\'").replace('\\"', '\\\\"')


def test_one_of_two_unterminated_strings_is_not_fixed_alone() -> None:
    diagnostics = found("x = 'C:\\\\a\\'\ny = 'C:\\\\b\\'\n")
    assert [len(diagnostic.fix.edits) for diagnostic in diagnostics if diagnostic.fix] == [2, 2]
    assert {d.fix.applicability for d in diagnostics if d.fix} == {Applicability.UNSAFE}


def test_a_missing_quote_is_left_to_python() -> None:
    for text in ("x = 'it\\'s\n", 'print("say \\"hi\\")\n', "x = 'abc\n", "x = 'a \\'\n"):
        assert [diagnostic.code for diagnostic in found(text)] == ["TL000"]


def test_severity_follows_the_consequence() -> None:
    severities = {"'C:\\Users'": "error", "'C:\\new\\x.png'": "error", "'C:\\data'": "warning"}
    for text, severity in severities.items():
        (diagnostic,) = found(f"x = {text}\n")
        assert diagnostic.severity.value == severity


def test_files_of_settings_need_no_torch() -> None:
    assert ESCAPE.may_apply(b'root = "D:\\train\\images"')
    assert not ESCAPE.may_apply(b"print('a\\n')  # r'\\n'")
    assert not UNTERMINATED.may_apply(b"print('a\\n')")
