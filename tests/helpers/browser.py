"""Pages in a headless browser, where one is installed."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def in_browser(page: str, folder: Path, steps: str = "") -> str:
    """The document after its scripts, and after these steps."""
    assert BROWSER is not None
    if steps:
        page = re.sub(r"; script-src '[^']*'", "; script-src 'unsafe-inline'", page)
        page = page.replace("</body>", f"<script>{steps}</script></body>")
    file = folder / "page.html"
    file.write_text(page, encoding="utf-8")
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}"]
    done = subprocess.run(
        [*command, "--dump-dom", file.as_uri()], check=True, capture_output=True, text=True, timeout=120
    )
    return done.stdout


def width_of(page: str, folder: Path, width: int) -> int:
    """How wide a page gets in a window of that width: more where it has to be moved sideways."""
    steps = (
        f"const f = document.createElement('iframe'); f.style = 'width:{width}px;height:800px'; "
        "f.srcdoc = window.held; f.onload = () => { document.title = "
        "f.contentDocument.documentElement.scrollWidth }; document.body.append(f)"
    )
    held = json.dumps(page).replace("</", "<\\/")
    document = in_browser(f"<!DOCTYPE html><body><script>window.held = {held};</script></body>", folder, steps)
    found = re.search(r"<title>(\d+)</title>", document)
    assert found, "the page was not laid out"
    return int(found[1])
