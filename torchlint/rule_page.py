"""What `torchlint rule` prints of a rule."""

from typing import Any

from torchlint.registry import Documented, describe


def rule_object(known: Documented) -> dict[str, Any]:
    """A rule as it stands in JSON."""
    rule = describe(known)
    return {
        "code": rule.code,
        "name": rule.name,
        "summary": rule.summary,
        "category": rule.category.value,
        "severity": rule.severity.value,
        "fix": rule.fix_safety.value if rule.fix_safety else None,
        "documentation": rule.documentation,
        "url": rule.url,
    }


def rule_page(known: Documented) -> str:
    """A rule as a page of Markdown."""
    facts = rule_object(known)
    article = "an" if facts["fix"] == "unsafe" else "a"
    fix = f"has {article} {facts['fix']} fix" if facts["fix"] else "has no fix"
    head = f"# {facts['name']} ({facts['code']})"
    about = f"Category {facts['category']}, reported as {facts['severity']}, {fix}."
    return f"{head}\n\n{about}\n\n{facts['documentation']}"
