"""What `--show-settings` prints: each key, its value, and who set it."""

import json
import os

from torchlint.config import DEFAULT, Configuration


def settings_listing(configuration: Configuration, path: str) -> str:
    """The settings that hold for a path (absolute), a line each.

    Raises:
        ConfigError: a configuration file cannot be used.
    """
    settings = configuration.settings(path if os.path.isdir(path) else os.path.dirname(path))
    values = {
        "select": settings.select,
        "ignore": settings.ignore,
        "extend-select": settings.extend_select,
        "per-file-ignores": {
            os.path.join(ignores.glob.folder, ignores.glob.pattern): ignores.selectors
            for ignores in settings.per_file_ignores
        },
        "exclude": [glob.pattern for glob in settings.exclude],
        "src": settings.src,
        "respect-gitignore": settings.respect_gitignore,
        "force-exclude": settings.force_exclude,
        "output-format": settings.output_format,
        "unsafe-fixes": settings.unsafe_fixes,
        "severity": dict(settings.severity),
        "fail-on": settings.fail_on,
        "baseline": settings.baseline,
        "target-python": str(settings.target.python),
        "target-torch": str(settings.target.torch),
        "platform": settings.target.platform or "any",
    }
    unset = {"select": "(all rules but the nursery)", "baseline": "(none)"}
    lines = [f"# settings for {path}; the project is {settings.root}"]
    for key, value in values.items():
        origins = {settings.origin(key), settings.origin(f"extend-{key}")} - {DEFAULT} or {DEFAULT}
        text = unset[key] if value is None else json.dumps(value, ensure_ascii=False)
        lines.append(f"{key} = {text}  # {', '.join(sorted(origins))}")
    return "\n".join(lines) + "\n"
