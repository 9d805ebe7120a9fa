"""What a page would fetch: read from its markup and styles, not from its prose or its libraries' strings."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

_FETCHING = {
    "script": ("src",),
    "link": ("href",),
    "img": ("src", "srcset"),
    "iframe": ("src",),
    "source": ("src", "srcset"),
    "video": ("src", "poster"),
    "audio": ("src",),
    "embed": ("src",),
    "object": ("data",),
    "use": ("href", "xlink:href"),
    "image": ("href", "xlink:href"),
    "form": ("action",),
    "base": ("href",),
}
_STYLE_FETCH = re.compile(r"(?:@import\s+|url\(\s*)[\"']?((?:https?:)?//[^\"')\s]+)")


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._in_style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_style = tag == "style"
        for name, value in attrs:
            if name in _FETCHING.get(tag, ()) and value and not value.startswith(("data:", "#")):
                self.found.append(f"<{tag} {name}={value[:80]}>")
            if name == "style" and value:
                self.found += _STYLE_FETCH.findall(value)

    def handle_endtag(self, tag: str) -> None:
        self._in_style = self._in_style and tag != "style"

    def handle_data(self, data: str) -> None:
        if self._in_style:
            self.found += _STYLE_FETCH.findall(data)


def outside_references(page: str) -> list[str]:
    """Every reference that a browser would load on opening the page; links to follow are none."""
    reader = _Reader()
    reader.feed(page)
    return reader.found


def open_in_browser(page: Path, folder: Path) -> tuple[str, list[str]]:
    """The page's document after its scripts ran, and every address that the page asked for over the network.

    The browser's own requests (updates, dictionaries) have no page as their initiator and are left out. Skips the
    test where there is no browser.
    """
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no chromium on this machine")
    log = folder / f"{page.stem}.netlog.json"
    switches = [
        "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run",
        f"--user-data-dir={folder / 'browser'}", f"--log-net-log={log}", "--virtual-time-budget=4000",
    ]  # fmt: skip
    done = subprocess.run(
        [browser, *switches, "--dump-dom", page.as_uri()], capture_output=True, text=True, timeout=60, check=True
    )
    asked = []
    for event in json.loads(log.read_text(encoding="utf-8"))["events"]:
        params = event.get("params", {})
        if params.get("initiator", "not an origin") != "not an origin" and re.match(
            "https?:|wss?:", params.get("url", "")
        ):
            asked.append(params["url"])
    return done.stdout, sorted(set(asked))
