"""What configuration files and the command line come to, and what they are told when they are wrong."""

import json
import os
from pathlib import Path

import pytest

from torchlint.config import (
    COMMAND_LINE,
    DEFAULT,
    LEVELS,
    OUTPUT_FORMATS,
    ConfigError,
    Configuration,
    Layer,
    Settings,
    json_schema,
    parse,
    parse_inline,
    shown_path,
)
from torchlint.diagnostic import Severity
from torchlint.target import ANY, Target, python_versions, torch_versions


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "src").mkdir()
    return tmp_path


def settings_of(project: Path, folder: str = "src") -> Settings:
    return Configuration(str(project)).settings(str(project / folder))


def pyproject(folder: Path, text: str) -> None:
    (folder / "pyproject.toml").write_text(f"[tool.torchlint]\n{text}\n")


def refusal(project: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        settings_of(project)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_without_a_file_the_defaults_hold(project: Path) -> None:
    settings = settings_of(project)
    assert settings.select is None
    assert settings.root == str(project)
    assert settings.output_format == "full"
    assert settings.respect_gitignore
    assert not settings.unsafe_fixes
    assert settings.origin("select") == DEFAULT
    assert settings.excludes(str(project / "node_modules"), is_folder=True)


def test_the_nearest_pyproject_with_a_table_holds(project: Path) -> None:
    pyproject(project, 'select = ["TL1"]')
    (project / "src" / "pyproject.toml").write_text("[tool.other]\nkey = 1\n")
    settings = settings_of(project)
    assert settings.select == ("TL1",)
    assert settings.origin("select") == "pyproject.toml"
    assert settings.root == str(project)


def test_a_nearer_file_replaces_the_one_above(project: Path) -> None:
    pyproject(project, 'select = ["TL1"]\nignore = ["TL101"]')
    pyproject(project / "src", 'ignore = ["TL2"]')
    settings = settings_of(project)
    assert settings.select is None
    assert settings.ignore == ("TL2",)
    assert settings_of(project, "").select == ("TL1",)


def test_torchlint_toml_wins_over_pyproject_in_the_same_folder(project: Path) -> None:
    pyproject(project, 'select = ["TL1"]')
    (project / "torchlint.toml").write_text('select = ["TL2"]\n')
    assert settings_of(project).select == ("TL2",)


def test_a_broken_pyproject_that_never_mentions_torchlint_is_not_ours(project: Path) -> None:
    (project / "pyproject.toml").write_text("[tool.other\n")
    assert settings_of(project).select is None


def test_isolated_reads_no_file(project: Path) -> None:
    pyproject(project, "nonsense = 1")
    assert Configuration(str(project), isolated=True).settings(str(project)).select is None


def test_a_given_file_holds_everywhere(project: Path) -> None:
    pyproject(project / "src", 'select = ["TL1"]')
    (project / "mine.toml").write_text('select = ["TL2"]\n')
    configuration = Configuration(str(project), file="mine.toml")
    assert configuration.settings(str(project / "src")).select == ("TL2",)


def test_extend_merges(project: Path) -> None:
    (project / "base.toml").write_text(
        'ignore = ["TL1"]\nextend-select = ["TL301"]\nextend-exclude = ["old"]\nunsafe-fixes = true\n'
        '[per-file-ignores]\n"tests/*" = ["TL2"]\n'
    )
    pyproject(
        project / "src",
        'extend = "../base.toml"\nextend-select = ["TL302"]\nextend-exclude = ["new"]\n'
        'extend-per-file-ignores = {"a.py" = ["TL4"]}',
    )
    settings = settings_of(project)
    assert settings.ignore == ("TL1",)
    assert settings.extend_select == ("TL301", "TL302")
    assert settings.unsafe_fixes
    assert settings.origin("unsafe-fixes") == "base.toml"
    assert [ignores.selectors for ignores in settings.per_file_ignores] == [("TL2",), ("TL4",)]
    for name in ("old", "new", "venv"):
        assert settings.excludes(str(project / "src" / name), is_folder=True)


def test_what_is_extended_keeps_its_own_folder(project: Path) -> None:
    (project / "base.toml").write_text('exclude = ["/src/generated"]\nsrc = ["lib"]\n')
    pyproject(project / "src", 'extend = "../base.toml"')
    settings = settings_of(project)
    assert settings.excludes(str(project / "src" / "generated"), is_folder=True)
    assert settings.src == (str(project / "lib"),)


def test_severities_of_what_is_extended_hold_unless_said_again(project: Path) -> None:
    (project / "base.toml").write_text('severity = { TL1 = "info", TL2 = "info" }\nbaseline = "b.json"\n')
    text = 'extend = "../base.toml"\nseverity = { TL1 = "error", TL3 = "error" }\nfail-on = "error"'
    pyproject(project / "src", text)
    settings = settings_of(project)
    assert settings.severity == (("TL2", "info"), ("TL1", "error"), ("TL3", "error"))
    assert settings.fail_on == "error"
    assert settings.origin("fail-on") == os.path.join("src", "pyproject.toml")


def test_a_baseline_is_relative_to_its_file_and_can_be_switched_off(project: Path) -> None:
    (project / "base.toml").write_text('baseline = "known/b.json"\n')
    pyproject(project / "src", 'extend = "../base.toml"')
    assert settings_of(project).baseline == str(project / "known" / "b.json")
    pyproject(project / "src", 'extend = "../base.toml"\nbaseline = ""')
    assert settings_of(project).baseline is None


def test_the_target_is_what_the_files_say_together(project: Path) -> None:
    (project / "base.toml").write_text('target-python = "3.11"\ntarget-torch = "2.3"\nplatform = "linux"\n')
    pyproject(project / "src", 'extend = "../base.toml"\ntarget-torch = ">=2.4"\nplatform = "any"')
    settings = settings_of(project)
    assert settings.target == Target(python_versions("3.11"), torch_versions(">=2.4"), None)
    assert settings.origin("target-python") == "base.toml"
    assert settings.origin("target-torch") == os.path.join("src", "pyproject.toml")
    overrides = [Layer(parse_inline('platform = "macos"'), str(project), COMMAND_LINE)]
    assert Configuration(str(project), overrides=overrides).settings(str(project / "src")).target.platform == "macos"


class TestTargetOfTheProject:
    """What holds where the configuration leaves it to the project's own files."""

    @pytest.fixture(autouse=True)
    def needs(self, project: Path) -> None:
        (project / "setup.cfg").write_text("[options]\npython_requires = >=3.9,<3.13\ninstall_requires = torch<2\n")
        (project / "src" / "requirements.txt").write_text("torch==1.13\n")
        (project / "lib").mkdir()

    def test_it_holds_for_the_folders_of_the_project(self, project: Path) -> None:
        configuration = Configuration(str(project))
        lib, src = configuration.settings(str(project / "lib")), configuration.settings(str(project / "src"))
        assert lib.target == Target(python_versions(">=3.9,<3.13"), torch_versions("<2"))
        assert lib.origin("target-python") == lib.origin("target-torch") == "setup.cfg"
        assert lib is configuration.settings(str(project))
        assert src.target == Target(torch=torch_versions("==1.13"))
        assert src.origin("target-python") == DEFAULT
        assert src.origin("target-torch") == os.path.join("src", "requirements.txt")

    def test_the_configuration_wins(self, project: Path) -> None:
        pyproject(project, 'target-python = "any"\nplatform = "windows"')
        settings = settings_of(project, "lib")
        assert settings.target == Target(torch=torch_versions("<2"), platform="windows")
        assert settings.origin("target-python") == "pyproject.toml"

    def test_isolated_knows_nothing_of_it(self, project: Path) -> None:
        assert Configuration(str(project), isolated=True).settings(str(project)).target == ANY

    def test_what_is_wrong_there_is_not_ours(self, project: Path) -> None:
        (project / "setup.cfg").write_text("[options]\npython_requires = >=3.9,<<\n=")
        (project / "pyproject.toml").write_text("[project\n")
        assert settings_of(project, "lib").target == ANY


def test_levels_are_the_severities() -> None:
    assert set(LEVELS) == {severity.value for severity in Severity}


def test_a_new_select_starts_afresh(project: Path) -> None:
    (project / "base.toml").write_text('select = ["TL1"]\nignore = ["TL201"]\nextend-select = ["TL3"]\n')
    pyproject(project, 'extend = "base.toml"\nselect = ["TL2"]')
    settings = settings_of(project)
    assert (settings.select, settings.ignore, settings.extend_select) == (("TL2",), (), ())


def test_the_stronger_layer_has_the_last_word(project: Path) -> None:
    pyproject(project, 'ignore = ["TL101", "TL102"]\nextend-select = ["TL301"]')
    command_line = parse({"extend-select": ["TL101"], "ignore": ["TL301"]}, COMMAND_LINE)
    configuration = Configuration(str(project), overrides=[Layer(command_line, str(project), COMMAND_LINE)])
    settings = configuration.settings(str(project))
    assert settings.ignore == ("TL102", "TL301")
    assert settings.extend_select == ("TL101",)
    assert settings.origin("ignore") == COMMAND_LINE


def test_extend_in_a_ring(project: Path) -> None:
    (project / "base.toml").write_text('extend = "pyproject.toml"\n')
    pyproject(project, 'extend = "base.toml"')
    assert refusal(project) == "pyproject.toml: `extend` leads back to this file"


def test_extend_of_nothing(project: Path) -> None:
    pyproject(project, 'extend = "missing.toml"')
    assert refusal(project) == "pyproject.toml: `extend`: there is no file missing.toml"


def test_extend_of_a_pyproject_without_a_table(project: Path) -> None:
    (project / "pyproject.toml").write_text("[tool.other]\n")
    pyproject(project / "src", 'extend = "../pyproject.toml"')
    assert refusal(project) == "pyproject.toml: there is no [tool.torchlint] table in this file"


def test_an_unknown_key_names_the_file_the_key_and_what_is_allowed(project: Path) -> None:
    pyproject(project, 'slect = ["TL1"]')
    message = refusal(project)
    assert message.startswith("pyproject.toml: unknown key `slect`; did you mean `select`? Allowed: extend, select,")
    assert "required-version" in message


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('select = "TL1"', '`select` must be a list of strings, not the string "TL1"'),
        ("select = [1]", "`select` must be a list of strings, not a list with the number 1"),
        ("unsafe-fixes = 1", "`unsafe-fixes` must be true or false, not the number 1"),
        ("extend = true", "`extend` must be a string, not true"),
        (
            'output-format = "xml"',
            "`output-format` must be one of "
            + ", ".join(f'"{name}"' for name in sorted(OUTPUT_FORMATS))
            + ', not the string "xml"',
        ),
        (
            'per-file-ignores = {"a.py" = "TL1"}',
            '`per-file-ignores` must be a table of lists of strings, not a table with the string "TL1"',
        ),
        (
            'per-file-ignores = {"a.py" = [1.5]}',
            "`per-file-ignores` must be a table of lists of strings, not a table with the number 1.5",
        ),
        (
            'severity = "error"',
            '`severity` must be a table with one of "error", "info", "warning" as values, not the string "error"',
        ),
        (
            'severity = {TL1 = "info", TL2 = "bad"}',
            '`severity` must be a table with one of "error", "info", "warning" as values,'
            ' not a table with the string "bad"',
        ),
        (
            "severity = {TL1 = 1}",
            '`severity` must be a table with one of "error", "info", "warning" as values,'
            " not a table with the number 1",
        ),
        ('fail-on = "bad"', '`fail-on` must be one of "error", "info", "warning", not the string "bad"'),
        ("baseline = false", "`baseline` must be a string, not false"),
        ("target-python = 3.11", "`target-python` must be a string, not the number 3.11"),
        (
            'target-python = "new"',
            "`target-python` must be versions such as 3.11 or >=3.9,<3.14, not 'new'",
        ),
        ('target-torch = "2.x"', "`target-torch` must be versions such as 2.3 or >=1.13,<2.5, not '2.x'"),
        ('target-torch = ">2,<2"', "`target-torch` allows no version: '>2,<2'"),
        (
            'platform = "mac"',
            '`platform` must be one of "any", "linux", "macos", "windows", not the string "mac"',
        ),
        ("exclude = {}", "`exclude` must be a list of strings, not a table"),
        ("src = 2026-01-01", "`src` must be a list of strings, not 2026-01-01"),
        (
            'required-version = "new"',
            "`required-version` must be versions such as 0.1.0 or >=0.1,<1, not 'new'",
        ),
    ],
)
def test_a_wrong_type(project: Path, text: str, complaint: str) -> None:
    pyproject(project, text)
    assert refusal(project) == f"pyproject.toml: {complaint}"


def test_a_table_that_is_none(project: Path) -> None:
    (project / "pyproject.toml").write_text("[tool]\ntorchlint = 3\n")
    assert refusal(project) == "pyproject.toml: `tool.torchlint` must be a table, not the number 3"


@pytest.mark.parametrize("name", ["pyproject.toml", "torchlint.toml"])
def test_broken_toml_names_file_and_line(project: Path, name: str) -> None:
    (project / name).write_text("[tool.torchlint]\nselect = [\n")
    message = refusal(project)
    assert message.startswith(f"{name}: not valid TOML: ")
    assert "line 3" in message or "end of document" in message


def test_a_file_that_is_not_utf8(project: Path) -> None:
    (project / "torchlint.toml").write_bytes(b"# \xff\n")
    assert refusal(project).startswith("torchlint.toml: not valid TOML: 'utf-8'")


def test_a_file_that_cannot_be_read(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pyproject(project, "")

    def refuse(*arguments: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    assert refusal(project) == "pyproject.toml: cannot be read: Permission denied"


@pytest.mark.parametrize("required", ["0.1.0", "==0.1", ">=0.1,<1", "~=0.1.0", "!=2.0", ">0.0.9", "<=0.1.0"])
def test_a_version_that_fits(required: str) -> None:
    parse({"required-version": required}, "f")


@pytest.mark.parametrize("required", ["0.2", ">=0.2", "<0.1", "~=0.2.0", "!=0.1.0", ">=0.1,<0.1.0"])
def test_another_version_is_required(required: str) -> None:
    with pytest.raises(ConfigError, match="this configuration requires torchlint"):
        # said before the unknown key, for a newer torchlint may know it
        parse({"required-version": required, "new-key": 1}, "f")


def test_inline_settings() -> None:
    assert parse_inline('select = ["TL1"]').select == ["TL1"]
    with pytest.raises(ConfigError, match="unknown key `slect`; did you mean `select`"):
        parse_inline("slect = 1")
    with pytest.raises(ConfigError, match="neither a file nor valid TOML"):
        parse_inline("= 1")
    with pytest.raises(ConfigError, match="can be set in a file only"):
        parse_inline('extend = "x.toml"')


def test_per_file_ignores_match_below_the_folder_of_their_file(project: Path) -> None:
    pyproject(project, '[tool.torchlint.per-file-ignores]\n"src/*.py" = ["TL1"]\n"!keep" = ["TL2"]')
    plain, negated = settings_of(project).per_file_ignores
    assert plain.applies(str(project / "src" / "x.py"))
    assert not plain.applies(str(project / "x.py"))
    assert negated.applies(str(project / "x.py"))
    assert not negated.applies(str(project / "keep" / "x.py"))


def test_the_schema_knows_every_key_and_says_what_it_means() -> None:
    schema = json_schema()
    assert json.loads(json.dumps(schema)) == schema
    assert schema["additionalProperties"] is False
    assert set(schema["properties"]["output-format"]["enum"]) == set(OUTPUT_FORMATS)
    assert all(value["description"] for value in schema["properties"].values())


def test_paths_are_shown_relative_where_they_can_be(tmp_path: Path) -> None:
    cwd = str(tmp_path)
    assert shown_path(str(tmp_path / "a" / "x.py"), cwd) == os.path.join("a", "x.py")
    assert shown_path(cwd + "x.py", cwd) == cwd + "x.py"
    assert shown_path("/odd\udcff.py", cwd) == "/odd?.py"
