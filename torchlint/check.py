"""`torchlint check`: which of its parts a run takes, what it prints, and its exit code."""

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path

import click

from torchlint import baseline, registry, runner
from torchlint.baseline import Baseline
from torchlint.config import LEVELS, Configuration, shown_path
from torchlint.console import (
    CLEAN,
    ERROR,
    FINDINGS,
    counted,
    is_coloured,
    is_debugging,
    json_text,
    say,
    write_bytes,
)
from torchlint.discover import File, discover, is_excluded
from torchlint.fixer import FixError, put
from torchlint.progress import progress
from torchlint.report import Report, fixable
from torchlint.runner import FileResult

STDIN = "-"
# Formats that end with a summary, since a person reads them.
HUMAN = ("full", "concise", "grouped")


class ReportError(Exception):
    """A report that cannot be written where it is wanted. The message is one line for the reader."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the command line asks for that no configuration file can.

    `add_noqa` is the reason to state, which may be empty; None adds no comments. `since` is a revision of git.
    """

    fix: bool
    diff: bool
    statistics: bool
    exit_zero: bool
    show_files: bool
    write_baseline: bool
    add_noqa: str | None
    since: str | None
    output_file: str | None
    quiet: bool
    plugins: bool
    jobs: int


class Check:
    """A run: what was asked for, what holds, and the rules that there are.

    Raises:
        ConfigError: a configuration file cannot be used.
        BaselineError: the baseline cannot be used.
    """

    def __init__(self, configuration: Configuration, wanted: Wanted) -> None:
        self.configuration = configuration
        self.settings = configuration.settings(configuration.cwd)
        self.wanted = wanted
        self.baseline = self._baseline()
        self.registry = registry.load(plugins=wanted.plugins)
        self.request = runner.Request(
            configuration.cwd,
            fix=wanted.fix or wanted.diff,
            plugins=wanted.plugins,
            debug=is_debugging(),
            baseline=None if wanted.write_baseline else self.baseline,
        )

    def paths(self, paths: Sequence[str]) -> int:
        """Lint files and folders and print what came of it; the exit code.

        Raises:
            ConfigError: a configuration file cannot be used.
            GitError: git does not know what changed.
            BaselineError: the baseline cannot be written.
        """
        found = discover(paths, self.configuration)
        for line in found.problems:
            say(line)
        files = found.files if self.wanted.since is None else self._changed(self.wanted.since, paths, found.files)
        if self.wanted.show_files:
            for file in files:
                click.echo(file.name)
            return ERROR if found.problems else CLEAN
        self._validate(files)
        if not found.files and not found.problems:
            say("no Python files found")
        with progress(self.wanted.quiet) as tell:
            results = runner.run(files, self.request, self.registry, jobs=self.wanted.jobs, progress=tell)
        if self.wanted.add_noqa is not None:
            return max(self._add_noqa(results, self.wanted.add_noqa), ERROR if found.problems else CLEAN)
        if self.wanted.diff:
            for result in results:
                write_bytes(runner.diff(result))
            return max(self._conclude_diff(results), ERROR if found.problems else CLEAN)
        if self.wanted.fix:
            results = runner.write(results)
        results = self._compare_with_baseline(results, paths)
        code = self._conclude(results, to_stderr=False)
        return ERROR if found.problems else code

    def stdin(self, filename: str | None) -> int:
        """Lint standard input, under a name if there is one, and print what came of it; the exit code.

        Raises:
            ConfigError: a configuration file cannot be used.
        """
        cwd = self.configuration.cwd
        path = os.path.abspath(os.path.join(cwd, filename or STDIN))
        settings = self.configuration.settings(os.path.dirname(path))
        file = File(path, shown_path(path, cwd) if filename else STDIN, settings)
        if self.wanted.show_files:
            click.echo(file.name)
            return CLEAN
        self._validate([file])
        data = sys.stdin.buffer.read()
        if filename and settings.force_exclude and is_excluded(path, settings, is_folder=False):
            result = runner.FileResult(file)
        else:
            result = runner.Checker(self.request, self.registry).check(file, data)
        if self.wanted.diff:
            write_bytes(runner.diff(result))
            return self._conclude_diff([result])
        if self.wanted.fix:
            write_bytes(result.change.after if result.change else data)
        return self._conclude([result], to_stderr=self.wanted.fix)

    def _validate(self, files: Sequence[File]) -> None:
        checker = runner.Checker(self.request, self.registry)
        for settings in dict.fromkeys([self.settings, *(file.settings for file in files)]):
            checker.validate(settings)

    def _absolute(self, paths: Sequence[str]) -> list[str]:
        return [os.path.abspath(os.path.join(self.configuration.cwd, path)) for path in paths]

    def _changed(self, since: str, paths: Sequence[str], files: Sequence[File]) -> Sequence[File]:
        """The files that changed since a revision; from now on only findings on what changed count."""
        from torchlint.changed import changes_since

        changes = changes_since(since, self._absolute(paths), [file.path for file in files])
        self.request = replace(self.request, changes=changes)
        changed = [file for file in files if file.path in changes]
        if files and not changed and not self.wanted.quiet:
            say(f"no file changed since {since}")
        return changed

    def _baseline(self) -> Baseline | None:
        """The baseline that is configured, if any; to be written, it may be missing."""
        file, write = self.settings.baseline, self.wanted.write_baseline
        if file is None:
            if write:
                raise click.UsageError("--write-baseline must know where: give --baseline FILE too.")
            return None
        return baseline.empty(file) if write and not os.path.lexists(file) else baseline.load(file, self._shown(file))

    def _shown(self, path: str) -> str:
        return shown_path(path, self.configuration.cwd)

    def _compare_with_baseline(self, results: list[FileResult], paths: Sequence[str]) -> list[FileResult]:
        """Tell how much of the baseline is out of date, or write it anew; the results that it does not cover."""
        file, old = self.settings.baseline, self.baseline
        if file is None or old is None:
            return results
        checker = runner.Checker(self.request, self.registry)
        linted = [
            baseline.Linted(
                result.file.path, checker.codes(result.file), result.diagnostics, result.source, result.known
            )
            for result in results
        ]
        folders = [path for path in self._absolute(paths) if os.path.isdir(path)]
        if not self.wanted.write_baseline:
            stale = old.stale(linted, folders)
            if stale and not self.wanted.quiet:
                gone, them = ("is gone", "it") if stale == 1 else ("are gone", "them")
                findings = counted(stale, "finding")
                say(f"{self._shown(file)} lists {findings} that {gone}; --write-baseline takes {them} out")
            return results
        new = old.renewed(linted, folders)
        baseline.write(file, self._shown(file), new)
        if not self.wanted.quiet:
            say(f"wrote {counted(sum(new.counts.values()), 'finding')} to {self._shown(file)}")
        return [
            replace(result, diagnostics=tuple(one for one in result.diagnostics if not baseline.is_coverable(one)))
            for result in results
        ]

    def _add_noqa(self, results: Sequence[FileResult], reason: str) -> int:
        from torchlint.noqa import add_noqa

        checker = runner.Checker(self.request, self.registry)
        added = add_noqa(results, lambda result, data: checker.check(result.file, data), reason)
        for line in added.problems:
            say(line)
        if not self.wanted.quiet:
            say(f"added suppressions of {counted(added.findings, 'finding')} to {counted(added.files, 'file')}")
        return ERROR if added.failed or self._tell_problems() else CLEAN

    def _conclude(self, results: Sequence[FileResult], *, to_stderr: bool) -> int:
        """Print the report; the exit code."""
        remaining = [found for result in results for found in result.diagnostics]
        fixed = sum(len(result.fixed) for result in results)
        unsafe_fixes = self.settings.unsafe_fixes
        for_people = self.settings.output_format in HUMAN
        stream = sys.stderr if to_stderr else sys.stdout
        colour = self.wanted.output_file in (None, STDIN) and is_coloured(stream)
        if self.wanted.statistics and not for_people:
            text = json_text(
                [
                    {"code": code, "name": name, "count": count, "fixable": all_fixable}
                    for count, code, name, all_fixable in fixable.tally(remaining, unsafe_fixes=unsafe_fixes)
                ]
            )
        elif self.wanted.statistics:
            text = fixable.statistics(remaining, unsafe_fixes=unsafe_fixes)
        else:
            text = self._render(results, colour)
        if for_people and not self.wanted.quiet and (results or remaining):
            text += fixable.summary(remaining, fixed=fixed, unsafe_fixes=unsafe_fixes)
        if self.wanted.output_file in (None, STDIN):
            click.echo(text, nl=False, err=to_stderr, color=True)
        elif self.wanted.output_file is not None:
            _write_report(self.wanted.output_file, text)
        levels = LEVELS[: LEVELS.index(self.settings.fail_on) + 1]
        code = self._exit_code(results, any(found.severity.value in levels for found in remaining))
        if self.settings.output_format == "github" and not self.wanted.statistics:
            code = max(code, _append_step_summary(self._report(results, colour=False)))
        return code

    def _render(self, results: Sequence[FileResult], colour: bool) -> str:
        name = self.settings.output_format.replace("-", "_")
        render: Callable[[Report], str] = import_module(f"torchlint.report.{name}").render
        return render(self._report(results, colour))

    def _report(self, results: Sequence[FileResult], colour: bool) -> Report:
        return Report(
            [found for result in results for found in result.diagnostics],
            {result.file.name: result.source for result in results if result.source is not None},
            unsafe_fixes=self.settings.unsafe_fixes,
            colour=colour,
            rules=self.registry.descriptions,
        )

    def _conclude_diff(self, results: Sequence[FileResult]) -> int:
        fixed = sum(len(result.fixed) for result in results)
        for result in results:
            for found in result.diagnostics:
                if found.internal:
                    say(f"{found.filename}: {found.message}")
        if not self.wanted.quiet:
            click.echo(f"Would fix {counted(fixed, 'finding')}." if fixed else "No fixes to apply.", err=True)
        return self._exit_code(results, any(result.change for result in results))

    def _exit_code(self, results: Sequence[FileResult], findings: bool) -> int:
        internal = any(found.internal for result in results for found in result.diagnostics)
        if self._tell_problems() or internal:
            return ERROR
        return FINDINGS if findings and not self.wanted.exit_zero else CLEAN

    def _tell_problems(self) -> bool:
        """Print what was wrong with the rules of others; whether there was anything."""
        for line in self.registry.problems:
            say(line)
        return bool(self.registry.problems)


def _write_report(path: str, text: str) -> None:
    """Write a report at once and wholly, so that no reader finds half of it."""
    try:
        put(Path(path), text.encode("utf-8", "backslashreplace"))
    except FixError as error:
        raise ReportError(f"--output-file {path}: {error}") from None


def _append_step_summary(report: Report) -> int:
    """Add the findings to the page that GitHub Actions shows for the step, if it runs us; the exit code."""
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if not path:
        return CLEAN
    from torchlint.report.step_summary import LIMIT, step_summary

    try:
        with open(path, "ab") as page:
            page.write(step_summary(report, limit=LIMIT - page.tell()).encode())
    except OSError as error:
        say(f"GITHUB_STEP_SUMMARY {path}: {error.strerror or type(error).__name__}")
        return ERROR
    return CLEAN
