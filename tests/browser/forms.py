"""What forms offer, say and do."""

import re

from axe_playwright_python.sync_playwright import Axe
from harness import NARROW, RULES, Visit, fits
from playwright.sync_api import expect


def what_is_wrong_is_told_at_the_field(browser, keyward):
    axe = Axe()
    for scheme in ("light", "dark"):
        options = {"color_scheme": scheme, "viewport": {"width": NARROW, "height": 740}}
        with Visit(browser, keyward, **options).signs_in("admin") as visit:
            page = visit.page

            def is_told(field, problem):
                expect(field).to_have_attribute("aria-invalid", "true")
                expect(field).to_have_accessible_description(re.compile(problem))
                assert field.evaluate("field => field === document.activeElement"), "the next key goes there"
                fits(page, f"the page with {problem}")
                found = axe.run(page, options=RULES)
                assert found.violations_count == 0, f"{scheme} {problem}: {found.generate_report()}"

            page.goto("/console/keys/new")
            page.get_by_label("Metadata").fill("[]")
            page.get_by_role("button", name="Create the key").click()
            is_told(page.get_by_label("Metadata"), "object")
            page.get_by_label("Metadata").fill("")
            page.get_by_label("Addresses").fill("nowhere")
            page.get_by_label("On a date").check()
            page.get_by_role("button", name="Create the key").click()
            is_told(page.get_by_label("Date (until"), "such as 2030-01-31")
            expect(page.get_by_label("Addresses")).to_have_accessible_description(re.compile("nowhere is no address"))

            visit.makes_key("told")
            page.once("dialog", lambda dialog: dialog.accept())
            page.get_by_role("link", name="To the key").click()
            of_key = page.url
            page.get_by_text("Edit", exact=True).click()
            page.get_by_label("Limits").fill("many")
            page.get_by_role("button", name="Save").click()
            is_told(page.get_by_label("Limits"), "many|must|limit")
            for action in ("Disable", "Revoke"):
                page.goto(of_key)
                too_long(page)
                page.get_by_text(action, exact=True).first.click()
                page.locator("details[open]").get_by_label("Reason").fill("x" * 501)
                page.get_by_role("button", name=action).click()
                is_told(page.locator("details[open]").get_by_label("Reason"), "500 characters")
            page.goto("/console/keys")
            page.get_by_label("Select told").first.check()
            page.get_by_role("button", name="Revoke", exact=True).click()
            too_long(page)
            page.get_by_label("Reason").fill("x" * 501)
            page.get_by_role("button", name="Revoke", exact=True).click()
            is_told(page.get_by_label("Reason"), "500 characters")
            page.goto("/console/owners")
            page.locator("tbody a").first.click()
            too_long(page)
            page.get_by_text("Disable the owner").first.click()
            page.locator("details[open]").get_by_label("Reason").fill("x" * 501)
            page.get_by_role("button", name="Disable the owner").click()
            is_told(page.locator("details[open]").get_by_label("Reason"), "500 characters")
            for path, label in (("keys?tag=payments", "Tag"), ("audit?key=x", "Key"), ("all/keys?scope=a%22b", "Scope")):
                page.goto(f"/console/{path}")
                is_told(page.get_by_label(label, exact=True), ": ")
            visit.complaints.clear()  # Of the answers 422.


def too_long(page):
    """Lets fields take more than they may."""
    page.evaluate("for (const field of document.querySelectorAll('[maxlength]')) field.removeAttribute('maxlength')")


def a_double_click_makes_one_key_and_rotates_once(browser, keyward):
    for script in (True, False):
        name = f"clicked twice {'with' if script else 'without'} script"
        with Visit(browser, keyward, java_script_enabled=script).signs_in("alice") as visit:
            page = visit.page
            page.goto("/console/keys/new")
            page.get_by_label("Name", exact=True).fill(name)
            page.get_by_role("button", name="Create the key").dblclick()
            expect(page.get_by_role("heading", level=1)).to_have_text("Your new key")
            # Without script, the second answer may be the one that is seen. It leads to a key that somebody has seen.
            if not script and page.get_by_role("button", name="Replace it now").count():
                page.get_by_role("button", name="Replace it now").click()
            key = page.locator("#secret").inner_text()
            assert keyward.status(key) == 200
            visit.leaves("/console/keys?state=active&search=" + name.replace(" ", "+"))
            expect(page.locator("tbody tr")).to_have_count(1)
            page.locator("tbody a").click()
            page.get_by_text("Rotate", exact=True).first.click()
            page.get_by_role("button", name="Rotate").dblclick()
            expect(page.get_by_role("heading", level=1)).to_have_text("Your new key")
            assert script is False or page.locator("#secret").count() == 1, "the text is shown"
            visit.leaves("/console/keys?state=active&search=" + name.replace(" ", "+"))
            expect(page.locator("tbody tr")).to_have_count(2)


def scopes_are_chosen_from_the_catalogue(browser, keyward):
    with Visit(browser, keyward).signs_in("alice") as visit:
        page = visit.page
        page.goto("/console/keys/new")
        orders = page.get_by_role("group", name="Orders")
        orders.get_by_label("orders:read See orders and their items").check()
        page.get_by_label("Other scopes").fill("mine")
        page.get_by_label("Name", exact=True).fill("chosen")
        page.get_by_role("button", name="Create the key").click()
        page.once("dialog", lambda dialog: dialog.accept())
        page.get_by_role("link", name="To the key").click()
        expect(page.locator("dd .tag", has_text="orders:read")).to_be_visible()
        expect(page.locator("dd .tag", has_text="mine")).to_be_visible()
        page.get_by_text("Edit", exact=True).click()
        expect(page.get_by_label("orders:read")).to_be_checked()
        expect(page.get_by_label("orders:write")).not_to_be_checked()


def a_date_that_is_written_is_chosen(browser, keyward):
    with Visit(browser, keyward).signs_in("alice") as visit:
        page = visit.page
        page.goto("/console/keys/new")
        expect(page.get_by_label("On a date")).not_to_be_checked()
        page.get_by_label("Date (until").fill("2999-01-31")
        expect(page.get_by_label("On a date")).to_be_checked()


def after_an_export_the_other_buttons_work_at_once(browser, keyward):
    with Visit(browser, keyward).signs_in("alice") as visit:
        page = visit.page
        visit.makes_key("exported")
        visit.leaves("/console/keys?search=exported")
        page.get_by_label("Select exported").check()
        with page.expect_download():
            page.get_by_role("button", name="Export as CSV").click()
        page.get_by_role("button", name="Revoke", exact=True).click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Revoke keys: 1")
