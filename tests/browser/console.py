"""The console in a real browser: every page and every action, with script and without, by keyboard, in light and dark, wide
and narrow, and what other sites try. scripts/browser.sh starts it.
"""

import argparse
import os
import re
import sys
import tempfile
import time

import forms
import pictures
from axe_playwright_python.sync_playwright import Axe
from harness import NARROW, RULES, WIDTHS, Keyward, Visit, fits
from playwright.sync_api import expect, sync_playwright

# What one page may weigh at the first visit, with its style sheet and script.
FIRST_LOAD_MAX = 100_000


def pages(visit):
    """Every page that whoever visits can see, with something on it."""
    page = visit.page
    page.goto("/console/keys")
    key = page.locator("tbody a").first.get_attribute("href")
    own = ["/console/keys", "/console/keys?search=nothing", "/console/keys/new", key, "/console/usage", "/console/usage?by=hour", "/console/plan", "/console/audit", "/console/sessions"]
    page.goto("/console/owners")
    owner = page.locator("tbody a").first.get_attribute("href")
    page.goto("/console/plans")
    if not page.locator("tbody a").count():
        page.goto("/console/plans/new")
        page.get_by_label("Name", exact=True).fill("free")
        page.get_by_label("Limits", exact=True).fill("month=10000/month")
        page.get_by_label("Balance").fill("1000")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_role("status")).to_contain_text("Saved.")
    plans = ["/console/plans", "/console/plans/new", "/console/plans/one?name=free"]
    all_keys = plans + ["/console/overview", "/console/all/sessions", "/console/all/keys?state=active&limited=no", "/console/all/keys", "/console/all/keys/new", "/console/owners", owner, "/console/replicas", "/console/usage?all=1", "/console/audit?all=1", "/console/none"]
    return own + all_keys


def a_key_is_made_copied_used_seen_rotated_and_revoked(browser, keyward):
    with Visit(browser, keyward, permissions=["clipboard-read", "clipboard-write"]).signs_in("alice") as visit:
        page = visit.page
        expect(page.get_by_role("heading", level=2)).to_have_text("You have no keys yet")
        key = visit.makes_key("billing worker", scopes="orders:read orders:write")
        asked = []
        page.once("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))
        page.get_by_role("link", name="To the key").click(no_wait_after=True)
        page.wait_for_timeout(200)
        assert asked == ["beforeunload"], "whoever has not copied the key is warned"
        page.get_by_role("button", name="Copy").click()
        expect(page.get_by_role("button", name="Copied")).to_be_visible()
        assert page.evaluate("navigator.clipboard.readText()") == key
        assert keyward.status(key) == 200
        page.get_by_role("link", name="To the key").click()
        expect(page.get_by_text("orders:write").first).to_be_visible()

        page.get_by_text("Rotate", exact=True).first.click()
        page.get_by_label("The old key ends").select_option("now")
        page.get_by_role("button", name="Rotate").click()
        successor = page.locator("#secret").inner_text()
        assert (keyward.status(key), keyward.status(successor)) == (401, 200)
        page.get_by_role("button", name="Copy").click()
        page.get_by_role("link", name="To the key").click()
        page.get_by_text("Revoke", exact=True).first.click()
        page.locator("details[open]").get_by_label("Reason").fill("the end")
        page.get_by_role("button", name="Revoke", exact=True).click()
        expect(page.get_by_role("status")).to_contain_text("Revoked. Replicas that confirmed it: 1")
        assert keyward.status(successor) == 401
        page.get_by_role("link", name="Audit").click()
        expect(page.locator("code", has_text="key.revoked").first).to_be_visible()


def everything_works_without_script(browser, keyward):
    with Visit(browser, keyward, java_script_enabled=False).signs_in("alice") as visit:
        page = visit.page
        key = visit.makes_key("without script")
        assert keyward.status(key) == 200
        page.get_by_role("link", name="To the key").click()
        page.get_by_text("Disable", exact=True).first.click()
        page.get_by_role("button", name="Disable").click()
        expect(page.get_by_role("status")).to_contain_text("Disabled.")
        assert keyward.status(key) == 401
        page.get_by_text("Edit", exact=True).click()
        page.get_by_label("Name").fill("renamed without script")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("renamed without script")
        page.get_by_role("link", name="Sessions").click()
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Signed out")
        page.goto("/console/keys")
        expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")


def several_keys_are_selected_and_revoked_after_a_question(browser, keyward):
    with Visit(browser, keyward).signs_in("alice") as visit:
        page = visit.page
        keys = [visit.makes_key(f"selected {number}") for number in (1, 2)]
        visit.leaves("/console/keys?search=selected")
        for number in (1, 2):
            page.get_by_label(f"Select selected {number}").check()
        page.get_by_role("button", name="Revoke", exact=True).click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Revoke keys: 2")
        page.get_by_role("button", name="Revoke", exact=True).click()
        expect(page.get_by_role("status")).to_have_text("Changed keys: 2")
        assert [keyward.status(key) for key in keys] == [401, 401]


def the_keyboard_alone_is_enough(browser, keyward):
    with Visit(browser, keyward).signs_in("alice") as visit:
        page = visit.page
        page.keyboard.press("/")
        assert page.evaluate("document.activeElement.name") == "search", "a slash searches"
        page.keyboard.type("billing/")
        page.keyboard.press("Enter")
        page.wait_for_url("**search=billing*")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "main"
        # Whatever has the focus shows it.
        for _ in range(12):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement === document.body"):
                break
            outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert outline == "solid", page.evaluate("document.activeElement.outerHTML")


def times_are_those_of_the_viewer(browser, keyward):
    with Visit(browser, keyward, timezone_id="Asia/Tokyo").signs_in("alice") as visit:
        visit.page.goto("/console/audit")
        instant = visit.page.locator("time").first
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", instant.get_attribute("title"))
        shown = visit.page.evaluate("zone.format(new Date(document.querySelector('time').dateTime))")
        assert instant.inner_text() == shown


def every_page_is_accessible_light_narrow_and_still(browser, keyward):
    axe = Axe()
    for scheme in ("light", "dark"):
        with Visit(browser, keyward, color_scheme=scheme).signs_in("admin") as visit:
            visit.makes_key("of the administrator", scopes="a:b")
            visit.leaves("/console/keys")
            for path in pages(visit):
                visit.page.goto(path)
                found = axe.run(visit.page, options=RULES)
                assert found.violations_count == 0, f"{scheme} {path}: {found.generate_report()}"
            visit.complaints.clear()  # Of the page that is not there.
    with Visit(browser, keyward).signs_in("admin") as visit:
        # Texts without a place to break, and as long as they may be.
        scopes = " ".join(f"{kind}:{'x' * 120}" for kind in ("read", "write", "delete"))
        visit.makes_key("n" * 200, scopes=scopes, description="d" * 1000)
        visit.leaves("/console/keys")
        for path in pages(visit):
            visit.page.goto(path)
            for scheme in ("light", "dark"):
                visit.page.emulate_media(color_scheme=scheme)
                for width in WIDTHS:
                    visit.page.set_viewport_size({"width": width, "height": 740})
                    fits(visit.page, f"{path} in {scheme}")
        visit.complaints.clear()
    with Visit(browser, keyward).signs_in("admin") as visit:
        for path in pages(visit):
            visit.page.goto(path)
            size = visit.page.evaluate(
                """performance.getEntriesByType("navigation").concat(performance.getEntriesByType("resource"))
                     .reduce((sum, entry) => sum + entry.encodedBodySize, 0)"""
            )
            assert 0 < size < FIRST_LOAD_MAX, f"{path} weighs {size} bytes"
            shift = visit.page.evaluate(
                """new Promise((done) => {
                     let shift = 0;
                     new PerformanceObserver((list) => { for (const entry of list.getEntries()) shift += entry.value; })
                       .observe({ type: "layout-shift", buffered: true });
                     requestAnimationFrame(() => requestAnimationFrame(() => done(shift)));
                   })"""
            )
            # A machine that is busy may show a page before all of it has come.
            assert shift < 0.05, f"{path} shifts by {shift}"
        visit.complaints.clear()


def no_other_site_frames_the_console_or_sends_its_forms(browser, keyward):
    with Visit(browser, keyward).signs_in("alice") as visit:
        # Another site, on which the console's cookies are sent as far as browsers do that.
        evil = visit.context.new_page()
        form = visit.page.locator("[name=form]").first.get_attribute("value")
        evil.route("http://evil.example/*", lambda route: route.fulfill(content_type="text/html", body=f"""
            <iframe src="{keyward.url}/console/keys"></iframe>
            <form method="post" action="{keyward.url}/console/keys"><input name="form" value="{form}">
            <input name="name" value="forged"><button>Win a prize</button></form>"""))
        evil.goto("http://evil.example/")
        evil.wait_for_timeout(300)
        framed = evil.frames[1].content()
        assert "Keyward" not in framed, f"the console is shown within another site: {framed}"
        evil.get_by_role("button", name="Win a prize").click()
        evil.wait_for_load_state()
        assert "Not sent by this page" in evil.content() or "Sign in" in evil.content(), evil.content()
        visit.page.goto("/console/keys?search=forged")
        expect(visit.page.get_by_role("heading", level=2)).to_have_text("No key matches")


def texts_of_people_never_run(browser, keyward):
    evil = '"><script>document.title="pwned"</script><img src=x onerror=document.title="pwned">'
    with Visit(browser, keyward).signs_in("alice") as visit:
        visit.makes_key(evil, description=evil)
        visit.leaves("/console/keys")
        visit.page.locator("tbody a").first.click()
        visit.page.get_by_text("Disable", exact=True).first.click()
        visit.page.locator("details[open]").get_by_label("Reason").fill(evil)
        visit.page.get_by_role("button", name="Disable").click()
        for path in (visit.page.url, "/console/keys", "/console/audit"):
            visit.page.goto(path)
            assert visit.page.title() != "pwned", path
            assert visit.page.locator("main script, main img").count() == 0, visit.page.locator("main").inner_html()


def texts_from_right_to_left_turn_nothing_around_them(browser, keyward):
    with Visit(browser, keyward).signs_in("alice") as visit:
        visit.makes_key("\u202ereversed")
        visit.leaves("/console/keys?search=reversed")
        visit.page.get_by_role("checkbox").check()
        visit.page.get_by_role("button", name="Revoke", exact=True).click()
        goes_on = """(code) => {
            const place = (at) => {
              const range = document.createRange();
              range.setStart(code.firstChild, at);
              range.setEnd(code.firstChild, at + 1);
              return range.getBoundingClientRect().left;
            };
            return place(0) < place(code.firstChild.length - 1);
        }"""
        assert visit.page.locator("li code").evaluate(goes_on), "the characters of the key are turned"


def a_stolen_cookie_is_worth_nothing_after_signing_out(browser, keyward):
    with Visit(browser, keyward).signs_in("alice") as visit, Visit(browser, keyward) as thief:
        thief.context.add_cookies(visit.context.cookies())
        thief.page.goto("/console/keys")
        expect(thief.page.get_by_role("heading", level=1)).to_have_text("Keys")
        visit.page.get_by_role("button", name="Sign out").click()
        expect(visit.page.get_by_role("heading", level=1)).to_have_text("Signed out")
        thief.page.goto("/console/keys")
        expect(thief.page.get_by_role("heading", level=1)).to_have_text("Sign in")


def a_customer_is_handed_over_by_a_link_that_asks(browser, keyward):
    axe = Axe()
    for script in (True, False):
        with Visit(browser, keyward, java_script_enabled=script, viewport={"width": NARROW, "height": 640}) as visit:
            page = visit.page
            requests = []
            page.on("request", lambda request: requests.append(request))
            link = keyward.link(name="Alice Liddell", returnTo="https://app.example.com/settings")
            page.goto(link)
            if script:
                fits(page, "the page of a link")
                found = axe.run(page, options=RULES)
                assert found.violations_count == 0, found.generate_report()
            page.get_by_role("button", name="Continue as Alice Liddell").click()
            expect(page.get_by_role("heading", level=1)).to_have_text("Keys")
            expect(page.get_by_role("link", name="Back to app.example.com")).to_be_visible()
            expect(page.get_by_role("link", name="Sessions")).to_have_count(0)
            secret = link.split("link=")[1]
            assert not [one.url for one in requests if secret in (one.headers.get("referer") or "")], "in a Referer"
            page.goto(link)
            expect(page.get_by_role("heading", level=1)).to_have_text("This link does not work")
            visit.complaints.clear()  # Of the page that is gone.


def pages_look_as_on_the_pictures(browser, _):
    # Apart from the others, whose keys are on no picture.
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        keyward = Keyward(folder)
        try:
            pictures.compare(pictures.walk(browser, keyward), pictures.without_style(browser, keyward))
        finally:
            keyward.stop()


TESTS = [
    a_customer_is_handed_over_by_a_link_that_asks,
    a_key_is_made_copied_used_seen_rotated_and_revoked,
    everything_works_without_script,
    several_keys_are_selected_and_revoked_after_a_question,
    the_keyboard_alone_is_enough,
    times_are_those_of_the_viewer,
    forms.scopes_are_chosen_from_the_catalogue,
    forms.a_double_click_makes_one_key_and_rotates_once,
    every_page_is_accessible_light_narrow_and_still,
    forms.what_is_wrong_is_told_at_the_field,
    forms.a_date_that_is_written_is_chosen,
    forms.after_an_export_the_other_buttons_work_at_once,
    no_other_site_frames_the_console_or_sends_its_forms,
    texts_of_people_never_run,
    texts_from_right_to_left_turn_nothing_around_them,
    a_stolen_cookie_is_worth_nothing_after_signing_out,
    pages_look_as_on_the_pictures,
]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", action="store_true", help="take the pictures of docs/console.md anew")
    parser.add_argument("tests", nargs="*", help="names of tests, or parts of them")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        os.chmod(folder, 0o755)
        keyward = Keyward(folder)
        options = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=os.environ["CHROMIUM"], args=options)
        failed = 0
        try:
            if asked.pictures:
                pictures.write(pictures.walk(browser, keyward))
            for test in [] if asked.pictures else TESTS:
                if asked.tests and not any(part in test.__name__ for part in asked.tests):
                    continue
                begun = time.monotonic()
                try:
                    test(browser, keyward)
                    outcome = "passed"
                except Exception as error:
                    failed += 1
                    outcome = f"FAILED: {type(error).__name__}: {error}"
                print(f"{test.__name__.replace('_', ' ')}: {outcome} ({time.monotonic() - begun:.1f} s)", flush=True)
        finally:
            browser.close()
            keyward.stop()
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
