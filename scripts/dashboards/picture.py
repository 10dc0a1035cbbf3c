"""Takes pictures of the dashboards into docs/pictures, and fails if a panel has no data.

python picture.py URL FROM TO SCRAPE, with times in seconds since 1970.
"""

import io
import os
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

REPOSITORY = Path(__file__).resolve().parents[2]
WIDTH = 1600
# What a picture may weigh, in bytes: it is loaded with the page of the documentation.
WEIGHT_MAX = 250_000
COLOURS = 128
# How long a dashboard may take to be drawn, in ms.
PATIENCE = 60_000


def take(page, url, file, query):
    """The picture of a dashboard, and the titles of its panels without data."""
    page.goto(f"{url}/user/page.html?file={file.name}&{query}")
    empty = page.evaluate("window.drawn")
    page.wait_for_load_state("networkidle")
    page.evaluate("new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))")
    picture = Image.open(io.BytesIO(page.screenshot(full_page=True))).convert("RGB")
    return picture.quantize(COLOURS, dither=Image.Dither.NONE), empty


def main(url, begin, end, scrape):
    query = f"from={begin}&to={end}&scrape={scrape}"
    wrong = []
    with sync_playwright() as playwright:
        options = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=os.environ["CHROMIUM"], args=options)
        page = browser.new_page(viewport={"width": WIDTH, "height": 900})
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda line: wrong.append(line.text) if line.type == "error" else None)
        for file in sorted((REPOSITORY / "deploy/grafana").glob("*.json")):
            picture, empty = take(page, url, file, query)
            path = REPOSITORY / f"docs/pictures/dashboard-{file.stem}.png"
            picture.save(path, optimize=True)
            print(f"{path.relative_to(REPOSITORY)}: {picture.width} x {picture.height}, {path.stat().st_size} bytes")
            wrong += [f"{file.name}: {title} has no data" for title in empty]
            if path.stat().st_size > WEIGHT_MAX:
                wrong.append(f"{path.name} weighs more than {WEIGHT_MAX} bytes")
        browser.close()
    sys.exit("\n".join(wrong) or None)


if __name__ == "__main__":
    main(*sys.argv[1:])
