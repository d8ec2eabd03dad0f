"""The examples in docs/webhooks.md verify what is signed, and refuse what is not."""

import json
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from apps.webhooks import signing

DOCUMENT = Path(__file__).resolve().parents[2] / "docs/webhooks.md"
BODY = '{"type":"notification.sent","data":{"name":"Grüße"}}'.encode()
EVENT_ID = "0198f0c3-1b20-7000-8e01-6b2e3d4f5a62"


def example(language: str) -> str:
    block = re.compile(rf"^```{language}\n(.*?)^```", re.DOTALL | re.MULTILINE)
    found = block.findall(DOCUMENT.read_text())
    assert len(found) == 1, language
    return str(found[0])


def cases() -> list[tuple[str, dict[str, str], bytes, bool]]:
    """Return secret, headers, body, and whether the example must take them."""
    secret, other = signing.new_secret(), signing.new_secret()
    now = int(time.time())

    def headers(*secrets: str, at: int = now) -> dict[str, str]:
        signature = signing.signature(
            event_id=EVENT_ID, timestamp=at, body=BODY, with_secrets=secrets
        )
        return {
            "webhook-id": EVENT_ID,
            "webhook-timestamp": str(at),
            "webhook-signature": signature,
        }

    return [
        (secret, headers(secret), BODY, True),
        (secret, headers(other, secret), BODY, True),
        (secret, headers(other), BODY, False),
        (secret, headers(secret), BODY + b" ", False),
        (secret, headers(secret, at=now - 3600), BODY, False),
        (secret, headers(secret, at=now + 3600), BODY, False),
        (secret, {**headers(secret), "webhook-id": "another"}, BODY, False),
        (secret, {**headers(secret), "webhook-signature": "v1,"}, BODY, False),
    ]


def test_the_python_example() -> None:
    made: dict[str, object] = {}
    exec(example("python"), made)  # noqa: S102 - the example of the document.
    verify = made["verify"]
    assert callable(verify)
    for secret, headers, body, is_right in cases():
        if is_right:
            verify(secret, headers, body)
        else:
            with pytest.raises(ValueError, match=r"old|signed"):
                verify(secret, headers, body)


def given() -> str:
    return json.dumps(
        [
            {"secret": secret, "headers": headers, "body": body.decode(), "right": is_right}
            for secret, headers, body, is_right in cases()
        ]
    )


def test_the_javascript_example(tmp_path: Path) -> None:
    (tmp_path / "verify.js").write_text(example("javascript"))
    (tmp_path / "main.js").write_text(
        """
const { verify } = require("./verify.js");
for (const each of JSON.parse(require("node:fs").readFileSync(0, "utf8"))) {
  let right = true;
  try { verify(each.secret, each.headers, Buffer.from(each.body)); } catch { right = false; }
  if (right !== each.right) { console.error(JSON.stringify(each)); process.exit(1); }
}
"""
    )
    node = shutil.which("node")
    assert node is not None
    subprocess.run(  # noqa: S603 - the example of the document.
        [node, "main.js"], input=given(), text=True, cwd=tmp_path, check=True
    )


def test_the_go_example(tmp_path: Path) -> None:
    (tmp_path / "go.mod").write_text("module example.com/hooks\n\ngo 1.19\n")
    (tmp_path / "hooks.go").write_text(example("go"))
    (tmp_path / "hooks_test.go").write_text(
        """package hooks

import (
	"encoding/json"
	"net/http"
	"os"
	"testing"
)

type given struct {
	Secret  string
	Headers map[string]string
	Body    string
	Right   bool
}

func TestVerify(t *testing.T) {
	raw, err := os.ReadFile("cases.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []given
	if err := json.Unmarshal(raw, &cases); err != nil {
		t.Fatal(err)
	}
	for _, each := range cases {
		header := http.Header{}
		for name, value := range each.Headers {
			header.Set(name, value)
		}
		if right := Verify(each.Secret, header, []byte(each.Body)) == nil; right != each.Right {
			t.Errorf("%v: %v", each, right)
		}
	}
}
"""
    )
    (tmp_path / "cases.json").write_text(given())
    go = shutil.which("go")
    assert go is not None, "docker/services.sh golang installs it"
    environment = {
        "PATH": str(Path(go).parent) + ":/usr/bin:/bin",
        "HOME": str(tmp_path),
        "GOFLAGS": "-mod=mod",
        "GOPROXY": "off",
    }
    ran = subprocess.run(  # noqa: S603 - the example of the document.
        [go, "test", "./..."],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
