import re
from collections.abc import Collection

import libcst as cst

from torchlint.diagnostic import Applicability, Category, Severity
from torchlint.rule import Repair, Rule
from torchlint.semantic.literals import Escape, Literal, Meaning, literal, pieces
from torchlint.semantic.paths import (
    Role,
    argument_roles,
    begins_path,
    is_place,
    loses_share,
    meant_as_backslashes,
    meant_as_separators,
    pieces_of_paths,
    role_of_name,
    role_of_target,
)

CHARACTERS = {
    "a": "a bell", "b": "a backspace", "f": "a form feed", "n": "a line feed", "r": "a carriage return",
    "t": "a tab", "v": "a vertical tab",
}  # fmt: skip
INCOMPLETE = {"x": "2 hex digits", "u": "4 hex digits", "U": "8 hex digits of a character", "N": "a character's name"}
# A broken escape, a letter and a colon before a backslash, or a backslash that neither stands at the beginning of a
# text nor begins an escape that is usual there. Raw strings and comments may hold it as well.
SUSPICIOUS = re.compile(
    rb"""\\(?:U(?![0-9A-Fa-f]{8})|u(?![0-9A-Fa-f]{4})|x(?![0-9A-Fa-f]{2})|N(?!\{[A-Z])|(?<=[A-Za-z]:\\)[\w.{*-]|(?<=\.\\)\.\.|\\\\[A-Za-z]"""
    rb"""|(?<=[\w\x80-\xff})\].:"'-]\\)"""
    rb"""(?:[nrt][a-z0-9_]|(?!x[0-9A-Fa-f]{2}|0[\\"']|033)[^\Wnrt][\w\x80-\xff.\\{-]|[{*\x80-\xff_]))"""
)
HELP = "write a raw string (`r'...'`), forward slashes, or use `pathlib`"


class WindowsPathEscape(Rule):
    r"""Checks for Windows paths in which Python takes a backslash and the next characters for an escape.

    Text that Python cannot decode is reported wherever it stands, in docstrings too. Other text is reported when
    it reads as a path (`C:\...`, `..\...`, `\\server\...`, words between backslashes) or is used as one: it is
    given to a function that takes a path, or to a name such as `data_dir`.

    ## Why is this bad?
    In `"C:\Users"` the `\U` begins an escape of eight hex digits: `SyntaxError: (unicode error)
    'unicodeescape' codec can't decode bytes`. In `"D:\train\new"` the `\t` is a tab and the `\n` a line feed, and
    nothing warns: the folder is just not found, or one with a tab in its name is made. In `"D:\data"` the backslash
    stays, with a `SyntaxWarning` from Python 3.12 on, until the folder is renamed: that is reported as a warning.

    ## Example
    ```python
    from torchvision.datasets import ImageFolder

    data = ImageFolder("D:\train\images")
    ```

    ## Use instead
    ```python
    from torchvision.datasets import ImageFolder

    data = ImageFolder(r"D:\train\images")
    ```

    ## Fix safety
    Safe where the text stays the same, and where Python could not read it. Unsafe where the text changes, which
    is the point, and where it mixes escapes with what was meant as a path.

    ## References
    - https://docs.python.org/3/reference/lexical_analysis.html#escape-sequences
    - https://docs.python.org/3/library/pathlib.html
    """

    code = "TL901"
    category = Category.CORRECTNESS
    fix_safety = Applicability.UNSAFE

    @classmethod
    def may_apply(cls, data: bytes) -> bool:
        return SUSPICIOUS.search(data) is not None

    def visit_Module(self, node: cst.Module) -> None:
        self.roles: dict[int, Role] = {}
        # Literals that go on a text which begins elsewhere.
        self.inner: set[int] = set()
        self.documentation_strings: set[int] = set()
        self.suspects: list[Literal] = []
        self.calls: list[cst.Call] = []

    def visit_Expr(self, node: cst.Expr) -> None:
        if isinstance(node.value, (cst.SimpleString, cst.ConcatenatedString)):
            for piece in pieces(node.value):
                self.documentation_strings.add(id(piece))

    def visit_Assign(self, node: cst.Assign) -> None:
        for target in node.targets:
            self._mark(node.value, role_of_target(target.target))

    def visit_AnnAssign(self, node: cst.AnnAssign) -> None:
        if node.value is not None:
            self._mark(node.value, role_of_target(node.target))

    def visit_NamedExpr(self, node: cst.NamedExpr) -> None:
        self._mark(node.value, role_of_target(node.target))

    def visit_For(self, node: cst.For) -> None:
        self._mark(node.iter, role_of_target(node.target))

    def visit_Param(self, node: cst.Param) -> None:
        if node.default is not None:
            self._mark(node.default, role_of_name(node.name.value))

    def visit_DictElement(self, node: cst.DictElement) -> None:
        if isinstance(node.key, cst.SimpleString):
            self._mark(node.value, role_of_name(node.key.raw_value))

    def visit_Call(self, node: cst.Call) -> None:
        if not node.args:
            return
        self.calls.append(node)
        for index, (value, role) in enumerate(argument_roles(node)):
            self._mark(value, role)
            if index:
                self.inner.update(map(id, pieces(value)))

    def visit_BinaryOperation(self, node: cst.BinaryOperation) -> None:
        if isinstance(node.operator, cst.Add):
            self._concatenated(node.left, node.right)
        elif isinstance(node.operator, cst.Divide):
            # Only `pathlib` divides by text.
            self._mark(node.left, Role.PATH)
            self._mark(node.right, Role.PATH)

    def visit_ConcatenatedString(self, node: cst.ConcatenatedString) -> None:
        self._concatenated(node.left, node.right)

    def visit_SimpleString(self, node: cst.SimpleString) -> None:
        suspect = literal(node)
        if suspect is not None:
            self._look_at(suspect)

    def visit_FormattedString(self, node: cst.FormattedString) -> None:
        suspect = literal(node)
        if suspect is not None:
            first = node.parts[0]
            if isinstance(first, cst.FormattedStringExpression) and is_place(first.expression):
                self.roles.setdefault(id(node), Role.FILE)
            self._look_at(suspect)

    def leave_Module(self, node: cst.Module) -> None:
        pending: dict[int, Literal] = {}
        for suspect in self.suspects:
            role = self.roles.get(id(suspect.node), Role.UNKNOWN)
            meant = meant_as_separators(suspect, role)
            if meant:
                self._report_path(suspect, meant)
            elif role is not Role.TEXT and meant_as_separators(suspect, Role.PATH):
                pending[id(suspect.node)] = suspect
        if pending:
            facts = (call for node in self.calls for call in self.model.calls(node))
            for piece in (piece for call in facts for piece in pieces_of_paths(call)):
                found = pending.pop(id(piece), None)
                if found is not None:
                    self._report_path(found, meant_as_separators(found, Role.PATH))

    def _mark(self, node: cst.BaseExpression, role: Role) -> None:
        for piece in pieces(node) if role is not Role.UNKNOWN else ():
            self.roles[id(piece)] = max(role, self.roles.get(id(piece), Role.UNKNOWN))

    def _concatenated(self, left: cst.BaseExpression, right: cst.BaseExpression) -> None:
        rest = pieces(right)
        self.inner.update(map(id, rest))
        if begins_path(left):
            for piece in rest:
                self.roles.setdefault(id(piece), Role.NAMED)

    def _look_at(self, suspect: Literal) -> None:
        broken = next((escape for escape in suspect.escapes if escape.meaning is Meaning.BROKEN), None)
        if broken is not None:
            self._report_broken(suspect, broken)
        elif id(suspect.node) not in self.documentation_strings:
            self.suspects.append(suspect)

    def _report_broken(self, suspect: Literal, broken: Escape) -> None:
        is_documentation = id(suspect.node) in self.documentation_strings
        letter = broken.text[1]
        if letter == "U" and len(broken.text) > 2:
            message = f"`{broken.text}` is beyond the last character, so Python cannot read this string"
        elif letter == "N" and len(broken.text) > 2:
            message = "`\\N{...}` does not name a character, so Python cannot read this string"
        else:
            message = f"`\\{letter}` is not followed by {INCOMPLETE[letter]}, so Python cannot read this string"
        meant = meant_as_backslashes(suspect, is_documentation)
        self.report(suspect.node, message, help=HELP, fix=self._repair(suspect, meant))

    def _report_path(self, suspect: Literal, meant: Collection[Escape]) -> None:
        changed = next((escape for escape in meant if escape.meaning is Meaning.CHARACTER), None)
        shares = self._loses_share(suspect)
        if changed is not None:
            letter = changed.text[1]
            what = CHARACTERS.get(letter) or f"the character U+{_code_point(changed):04X}"
            after = f"not a backslash and `{changed.text[1:]}`"
            message = f"`{changed.text}` in this path is {what}, {after}"
        elif shares:
            message = r"the two backslashes before the server's name are one to Python"
        else:
            kept = next(escape.text for escape in meant)
            message = f"`{kept}` is not an escape: Python keeps the backslash, and warns from 3.12 on"
        severity = Severity.ERROR if changed is not None or shares else Severity.WARNING
        self.report(suspect.node, message, help=HELP, fix=self._repair(suspect, meant), severity=severity)

    def _repair(self, suspect: Literal, meant: Collection[Escape]) -> Repair | None:
        """An `r`, or, where other escapes are to stay what they are, twice the backslashes that are meant as such."""
        shares = self._loses_share(suspect)
        others = [escape for escape in suspect.escapes if escape not in meant and not (shares and escape.start == 0)]
        if others:
            text, message = suspect.doubled(meant), "double the backslashes of the path"
        else:
            text, message = suspect.raw(), "make it a raw string"
        if any(escape.meaning is Meaning.BROKEN for escape in meant):
            is_safe = not others and not shares
        else:
            is_safe = not shares and all(escape.meaning is Meaning.KEPT for escape in meant)
        applicability = Applicability.SAFE if is_safe else Applicability.UNSAFE
        return self.fix(message, applicability, self.replace(suspect.node, text))

    def _loses_share(self, suspect: Literal) -> bool:
        return id(suspect.node) not in self.inner and loses_share(suspect)


def _code_point(escape: Escape) -> int:
    digits = escape.text[1:]
    return int(digits, 8) if digits.isdigit() else int(digits[1:], 16)
