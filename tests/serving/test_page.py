"""The page in headless Chromium; skipped where there is no browser or nothing that drives one."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.serving.browsing import listening
from tests.serving.worlds import write_run

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow

WIDE, PHONE = {"width": 1200, "height": 900}, {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    driver = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("there is no chromium on the path")
    with driver.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with listening(write_run(tmp_path_factory.mktemp("page") / "run")) as address:
        yield address


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """The page with its first user; whatever it complains about, and every call to elsewhere, is a failure."""
    page, complaints = browser.new_page(viewport=WIDE), []
    page.set_default_timeout(20_000)
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: None if _own(request.url, address) else complaints.append(request.url))
    page.goto(address)
    answered(page)
    show(page, "ann", "i07")
    yield page
    page.close()
    assert complaints == []


def _own(url: str, address: str) -> bool:
    return url.startswith((address + "/", f"blob:{address}/"))


def until(page: Page, expression: str) -> None:
    """Wait until an expression is true. Playwright's own way evaluates text, which the page's policy forbids."""
    for _ in range(400):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"never came: {expression}")


def answered(page: Page) -> list[str]:
    """Wait until the answer is there; return the items."""
    until(page, "document.getElementById('status').textContent.includes('answered')")
    return page.locator("#answer .item").evaluate_all("rows => rows.map(row => row.dataset.item)")


def show(page: Page, user: str, item: str) -> None:
    """Show a user, whose history holds an item, and wait for the answer."""
    page.fill("#user", user)
    page.press("#user", "Enter")
    page.wait_for_selector(f"#history [data-item={item}]")
    answered(page)


def history(page: Page) -> list[str]:
    return page.locator("#history .item").evaluate_all("rows => rows.map(row => row.dataset.item)")


def test_a_user_s_history_and_what_is_recommended(page: Page) -> None:
    assert history(page) == ["i03", "i05", "i07"]
    assert len(answered(page)) == 9
    until(page, "document.querySelector('#history img.picture')?.naturalWidth === 2")
    first = page.locator("#answer .item").first
    assert "Film i" in first.inner_text()
    assert "<a_" in first.inner_text()
    show(page, "bob", "i01")
    assert history(page) == ["i01"]


def test_adding_and_removing_an_item_changes_the_answer(page: Page) -> None:
    before = answered(page)
    page.locator("#answer .item button").first.click()
    until(page, f"document.querySelector('#answer [data-item={before[0]}]') === null")
    assert history(page)[-1] == before[0]
    assert before[0] not in answered(page)
    page.locator("#history .item button").last.click()
    page.wait_for_selector(f"#answer [data-item={before[0]}]")
    assert answered(page) == before


def test_everything_works_from_the_keyboard(page: Page) -> None:
    page.focus("#item")
    page.keyboard.type("film i11")
    page.wait_for_selector("#found button")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector("#history [data-item=i11]")
    assert page.evaluate("document.activeElement.id") == "item"
    page.focus("#kind")
    page.keyboard.press("ArrowDown")
    page.wait_for_selector(".session-heading")
    page.focus("#count")
    page.keyboard.press("Control+a")
    page.keyboard.type("3")
    page.keyboard.press("Enter")
    until(page, "document.querySelectorAll('#answer .item').length === 3")


def test_with_one_model_there_is_nothing_to_choose(page: Page) -> None:
    assert page.is_hidden("#model")
    assert "model run (" in page.inner_text("#versions")


def test_another_model_gives_another_answer(browser: Browser, tmp_path: Path) -> None:
    aligned = write_run(tmp_path / "other", "lazy_decoder")
    with listening(write_run(tmp_path / "run"), models={"aligned": str(aligned)}) as address:
        page = browser.new_page()
        page.goto(address)
        before = answered(page)
        assert page.locator("#model option").all_inner_texts() == ["run", "aligned"]
        page.focus("#model")
        page.keyboard.press("ArrowDown")
        until(page, "document.getElementById('versions').textContent.startsWith('model aligned (')")
        assert answered(page) != before
        page.select_option("#model", "run")
        until(page, "document.getElementById('versions').textContent.startsWith('model run (')")
        assert answered(page) == before
        page.close()


def test_no_history_gets_the_cold_start_answer(page: Page) -> None:
    page.click("#clear")
    until(page, "document.getElementById('status').textContent.startsWith('Cold start')")
    assert history(page) == []
    assert page.is_visible("#history-empty")


def test_what_is_saved_is_there_for_the_next_visit(page: Page, address: str) -> None:
    show(page, "cy", "i02")
    page.fill("#item", "i09")
    page.click("#found button")
    page.click("#save")
    until(page, "document.getElementById('status').textContent === 'Saved: 1.'")
    page.goto(address)
    answered(page)
    show(page, "cy", "i09")
    assert history(page) == ["i02", "i09"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, PHONE])
def test_nothing_is_cut_off_and_text_stands_out(browser: Browser, address: str, scheme: str, size: dict) -> None:
    page = browser.new_page(viewport=size, color_scheme=scheme)
    page.goto(address)
    answered(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    back, text = (page.evaluate(f"getComputedStyle(document.body).{name}") for name in ("backgroundColor", "color"))
    assert _brightness(back) > 200 if scheme == "light" else _brightness(back) < 60
    assert abs(_brightness(back) - _brightness(text)) > 150
    page.close()


def _brightness(color: str) -> float:
    red, green, blue = (int(part) for part in color[4:-1].split(","))
    return 0.3 * red + 0.6 * green + 0.1 * blue


def test_a_token_is_asked_for_and_markup_in_titles_is_text(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENREC_TOKEN", "geheim")
    monkeypatch.setattr("tests.serving.worlds.TITLE", "<img src=x onerror=alert(1)> {item}")
    with listening(write_run(tmp_path / "run")) as address:
        page = browser.new_page()
        page.goto(address)
        page.wait_for_selector("#token-form:not([hidden])")
        page.fill("#token", "geheim")
        page.press("#token", "Enter")
        assert len(answered(page)) == 10
        assert page.locator("#answer img[src=x]").count() == 0
        assert "<img src=x" in page.inner_text("#answer")
        page.close()
