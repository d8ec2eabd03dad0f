"""Each alert leads to a section of the runbook that says what it means and what to do."""

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
RULES = yaml.safe_load((ROOT / "docker/prometheus/alerts.yml").read_text())["groups"]
ALERTS = [rule for group in RULES for rule in group["rules"]]
RUNBOOK = (ROOT / "docs/runbook.md").read_text()


def test_each_alert_has_a_section_and_each_section_an_alert() -> None:
    sections = re.findall(r"^## (Notifications\w+)$", RUNBOOK, re.MULTILINE)

    assert [alert["alert"] for alert in ALERTS] == sections


def test_each_alert_leads_to_its_section() -> None:
    for alert in ALERTS:
        anchor = alert["alert"].lower()
        assert alert["annotations"]["runbook"] == f"docs/runbook.md#{anchor}"


def test_each_section_says_what_it_means_what_to_check_and_how_to_mend_it() -> None:
    for part in re.split(r"^## Notifications", RUNBOOK, flags=re.MULTILINE)[1:]:
        section = part.partition("\n## ")[0]
        words = ("**Meaning.**", "**Check.**", "**Mend.**")
        assert [word for word in words if word not in section] == [], section
