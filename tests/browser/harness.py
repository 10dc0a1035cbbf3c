"""A Keyward to try, and people with browsers."""

import json
import os
import re
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

from playwright.sync_api import expect

RESOURCE = "/api/protected-resource"
# The width at which nothing may have to be scrolled sideways (WCAG 2.2, 1.4.10), and others from telephones to wide screens.
NARROW = 320
WIDTHS = (NARROW, 360, 768, 1024, 1100, 1280, 1600)
# WCAG 2.2, levels A and AA.
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
# Scopes that forms offer.
CATALOGUE = """
[[scopes]]
name = "orders:read"
description = "See orders and their items"
group = "Orders"

[[scopes]]
name = "orders:write"
description = "Change and cancel orders"
group = "Orders"

[[scopes]]
name = "reports:read"
description = "See reports"
group = "Reports"
"""


class Keyward:
    """A `keyward dev` on a folder of its own."""

    def __init__(self, folder):
        self.folder = folder
        command = [os.environ["KEYWARD"], "dev", "--data-dir", folder, "--port", "0"]
        file = Path(folder) / "keyward.toml"
        file.write_text(CATALOGUE)
        # Uses are seen soon.
        environment = {**os.environ, "KEYWARD_CONFIG": str(file), "KEYWARD__LAST_USED__WRITE_EVERY": "1s", "KEYWARD__CONSOLE__SURVEY_EVERY": "1s"}
        self.log = open(Path(folder) / "log", "w+")
        self.process = subprocess.Popen(command, env=environment, stdout=self.log, stderr=subprocess.STDOUT)
        give_up = time.monotonic() + 60
        while not (found := re.search(r"The console is at (http://[\d.:]+)/console", self.printed())):
            assert time.monotonic() < give_up and self.process.poll() is None, self.printed()
            time.sleep(0.05)
        self.url = found[1]

    def printed(self):
        return Path(self.log.name).read_text()

    def status(self, key):
        request = urllib.request.Request(self.url + RESOURCE, headers={"x-api-key": key})
        try:
            return urllib.request.urlopen(request).status
        except urllib.error.HTTPError as refused:
            return refused.code

    def link(self, **more):
        """A link with which a product hands alice over."""
        if not hasattr(self, "backend"):
            create = [os.environ["KEYWARD"], "keys", "create", "--dev", "--data-dir", self.folder, "--subject", "backend"]
            create += ["--scope", "keyward:console"]
            self.backend = subprocess.run(create, check=True, capture_output=True, text=True).stdout.strip()
        body = json.dumps({"owner": {"subject": "alice"}, **more}).encode()
        headers = {"x-api-key": self.backend, "content-type": "application/json"}
        request = urllib.request.Request(self.url + "/v1/console/sessions", body, headers)
        return json.load(urllib.request.urlopen(request))["link"]

    def stop(self):
        self.process.terminate()
        self.process.wait(60)


class Visit:
    """Somebody with a browser."""

    def __init__(self, browser, keyward, **options):
        self.keyward = keyward
        self.context = browser.new_context(base_url=keyward.url, locale="en-GB", **options)
        self.context.set_default_timeout(20_000)
        self.page = self.context.new_page()
        self.complaints = []
        self.page.on("console", lambda line: self.complaints.append(line.text) if line.type == "error" else None)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def __enter__(self):
        return self

    def __exit__(self, failed, *_):
        # A policy that a page violates, a script that fails, a picture that is not there: browsers say so here.
        if not failed:
            assert not self.complaints, self.complaints
        self.context.close()

    def signs_in(self, name):
        self.page.goto("/console")
        self.page.get_by_role("button", name=f"Continue as {name}").click()
        expect(self.page.get_by_role("heading", level=1)).to_have_text("Overview" if name == "admin" else "Keys")
        return self

    def makes_key(self, name, **fields):
        self.page.goto("/console/keys/new")
        self.page.get_by_label("Name", exact=True).fill(name)
        self.chooses(fields.pop("scopes", ""))
        for label, value in fields.items():
            self.page.get_by_label(label.replace("_", " ").capitalize(), exact=True).fill(value)
        self.page.get_by_role("button", name="Create the key").click()
        return self.page.locator("#secret").inner_text()

    def chooses(self, scopes):
        """Those of the catalogue have check boxes."""
        others = []
        for scope in scopes.split():
            box = self.page.locator(f'[type=checkbox][value="{scope}"]')
            others.extend([] if box.count() else [scope])
            if box.count():
                box.check()
        if others:
            self.page.get_by_label("Other scopes").fill(" ".join(others))

    def leaves(self, path):
        """Goes on although a new key was not copied."""
        self.page.once("dialog", lambda dialog: dialog.accept())
        self.page.goto(path)


def fits(page, what):
    """Nothing has to be scrolled sideways, except for tables within their frames. The list of keys not even there."""
    page.evaluate("for (const details of document.querySelectorAll('details')) details.open = true")
    width = page.viewport_size["width"]
    shown = page.evaluate("document.documentElement.scrollWidth")
    assert shown <= width, f"{what} is {shown} wide at {width}"
    beyond = page.evaluate("""Math.max(0, ...[...document.querySelectorAll(".scroll:has([name=key])")]
                                .map((frame) => frame.scrollWidth - frame.clientWidth))""")
    assert beyond == 0, f"the keys of {what} are {beyond} wider than their frame at {width}"
