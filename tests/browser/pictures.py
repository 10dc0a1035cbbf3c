"""The pictures of docs/console.md: a walk from a new key to its end, as files and as an animation; and whether the pages
still look like them.
"""

import io
from pathlib import Path

from harness import Visit
from PIL import Image, ImageChops, ImageStat
from playwright.sync_api import expect

PICTURES = Path(__file__).resolve().parents[2] / "docs" / "pictures"
ANIMATION = PICTURES / "console-walk.gif"
# The most that the animation may weigh: it is loaded with the page of the documentation.
ANIMATION_MAX = 600_000
# How long a picture of the animation is shown, in ms.
SHOWN_FOR = 1_800
# The pictures that docs/console.md shows by themselves; all of them are part of the animation.
FILES = ("new-key", "made-key", "keys", "key", "revoked")
SIZE = {"width": 1100, "height": 700}
# A picture is compared by where there is ink, in cells of 20 pixels: letters of another font are in the same cells.
CELL = 20
# How different two pictures may be: 0 for the same ink in all cells, 1 for none in common. Another time and other keys make
# some 0.05, another font up to 0.3, a page without its style sheet 0.6 and more.
DIFFERENT = 0.35


def walk(browser, keyward):
    """Makes, copies, uses, sees used, rotates and revokes a key. Gives a picture of each step, by name and in order."""
    steps = {}
    permissions = ["clipboard-read", "clipboard-write"]
    with Visit(browser, keyward, viewport=SIZE, permissions=permissions).signs_in("alice") as visit:
        page = visit.page

        def step(name):
            steps[name] = page.screenshot()

        step("no-keys")
        for name, scopes in (("reporting", "reports:read"), ("nightly import", "orders:read orders:write")):
            visit.makes_key(name, scopes=scopes)
            visit.leaves("/console/keys")
        page.goto("/console/keys/new")
        page.get_by_label("Name", exact=True).fill("billing worker")
        visit.chooses("orders:read invoices:write")
        step("new-key")
        page.get_by_role("button", name="Create the key").click()
        key = page.locator("#secret").inner_text()
        hide_the_key(page)
        step("made-key")
        page.get_by_role("button", name="Copy").click()
        expect(page.get_by_role("button", name="Copied")).to_be_visible()
        step("copied-key")
        for _ in range(7):
            assert keyward.status(key) == 200
        for _ in range(60):
            page.goto("/console/keys?sort=name")
            if page.get_by_role("img", name="7 uses in 30 days").count():
                break
            page.wait_for_timeout(500)
        else:
            raise AssertionError("the uses are not seen")
        step("keys")
        page.get_by_role("link", name="billing worker").click()
        step("key")
        page.get_by_text("Rotate", exact=True).first.click()
        step("rotate")
        page.get_by_role("button", name="Rotate").click()
        hide_the_key(page)
        step("rotated-key")
        page.get_by_role("button", name="Copy").click()
        page.get_by_role("link", name="To the key").click()
        page.get_by_text("Revoke", exact=True).first.click()
        page.locator("details[open]").get_by_label("Reason").fill("leaked")
        step("revoke")
        page.get_by_role("button", name="Revoke", exact=True).click()
        expect(page.get_by_role("status")).to_contain_text("Revoked.")
        step("revoked")
    return steps


def hide_the_key(page):
    """The key on a picture is none."""
    page.evaluate("for (const code of document.querySelectorAll('main code')) code.textContent = "
                  "code.textContent.replace(/(_[0-9A-Za-z]{22})[0-9A-Za-z]+/, '$1' + 'x'.repeat(43))")


def without_style(browser, keyward):
    """A page that is broken."""
    with Visit(browser, keyward, viewport=SIZE).signs_in("alice") as visit:
        visit.page.goto("/console/keys/new")
        visit.page.evaluate("document.querySelector('link[rel=stylesheet]').remove()")
        return visit.page.screenshot()


def write(steps):
    """Takes the pictures anew."""
    PICTURES.mkdir(exist_ok=True)
    for name in FILES:
        small = read(steps[name]).quantize(256, dither=Image.Dither.NONE)
        small.save(PICTURES / f"console-{name}.png", optimize=True)
    # One palette for all.
    images = [read(picture) for picture in steps.values()]
    together = Image.new("RGB", (SIZE["width"], SIZE["height"] * len(images)))
    for place, image in enumerate(images):
        together.paste(image, (0, SIZE["height"] * place))
    palette = together.quantize(64, dither=Image.Dither.NONE)
    images = [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images]
    images[0].save(ANIMATION, save_all=True, append_images=images[1:], duration=SHOWN_FOR, loop=0, optimize=True)
    weight = ANIMATION.stat().st_size
    assert weight < ANIMATION_MAX, f"the animation weighs {weight} bytes"


def compare(steps, broken):
    """Compares the pages of now with the pictures of the documentation."""
    for name in FILES:
        found = difference(Image.open(PICTURES / f"console-{name}.png"), read(steps[name]))
        assert found < DIFFERENT, f"{name} does not look as on its picture: {found:.2f}. Look at it; if it is meant, " \
                                  "scripts/browser.sh --pictures takes the pictures anew"
    found = difference(Image.open(PICTURES / "console-new-key.png"), read(broken))
    assert found > DIFFERENT, f"a broken page is not told apart: {found:.2f}"
    with Image.open(ANIMATION) as animation:
        assert animation.n_frames == len(steps), "the animation has other steps: scripts/browser.sh --pictures"


def difference(one, other):
    """From 0 to 1."""
    assert one.size == other.size, f"the sizes are {one.size} and {other.size}"
    one, other = ink(one), ink(other)
    apart = ImageStat.Stat(ImageChops.difference(one, other)).sum[0]
    together = ImageStat.Stat(one).sum[0] + ImageStat.Stat(other).sum[0]
    return apart / together if together else 0


def ink(image):
    """How much of each cell is not of the colour of the ground."""
    image = image.convert("L")
    ground = Image.new("L", image.size, image.getpixel((image.width - 1, image.height - 1)))
    distance = ImageChops.difference(image, ground).point(lambda value: min(255, value * 4))
    return distance.resize((image.width // CELL, image.height // CELL), Image.Resampling.BOX)


def read(picture):
    return Image.open(io.BytesIO(picture)).convert("RGB")
