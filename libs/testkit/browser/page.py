"""Fills the sign-in page as a person would: reads which screen is open, types, clicks. Called by firefox_flow.py.

The element ids are those listed at the top of the webhead's page/page.js.
"""

from marionette_driver.by import By
from marionette_driver.errors import MarionetteException

from wait import TimedOut, wait_until

SCREEN_WAIT_SECS = 300


class PageRefused(Exception):
    """The page shows an error; the message is its sentence."""


class SignInPage:
    """The sign-in page in the current tab of a Firefox."""

    def __init__(self, firefox):
        self._firefox = firefox
        self._marionette = firefox.marionette

    def screen(self):
        return self._firefox.content("return document.body?.dataset.screen ?? null;")

    def status(self):
        """The sentence below the screen as (kind, text)."""
        return tuple(
            self._firefox.content(
                "const s = document.getElementById('status'); return [s?.dataset.kind ?? '', s?.textContent ?? ''];"
            )
        )

    def wait_for(self, *names):
        """Waits for one of the screens and returns its name. A sentence marked as error ends the waiting."""
        return self._wait_past(None, names)

    def type_into(self, field_id, text):
        field = self._marionette.find_element(By.ID, field_id)
        field.clear()
        field.send_keys(text)

    def click(self, element_id):
        self._marionette.find_element(By.ID, element_id).click()

    def click_first(self, selector):
        self._marionette.find_element(By.CSS_SELECTOR, selector).click()

    def text(self, element_id):
        return self._marionette.find_element(By.ID, element_id).text

    def submit(self, *expected):
        """Presses the main button and waits for one of the screens."""
        before = self.screen()
        self.click("submit")
        return self._wait_past(before, expected)

    def submit_expecting_refusal(self):
        """Presses the main button and returns the sentence with which the page refuses."""
        self.click("submit")

        def refused():
            kind, text = self.status()
            return text if kind == "error" else None

        return wait_until(refused, "the page to refuse", SCREEN_WAIT_SECS, ignore=(MarionetteException,))

    def _wait_past(self, before, names):
        def look():
            screen = self.screen()
            if screen in names and screen != before:
                return screen
            kind, text = self.status()
            if kind == "error":
                raise PageRefused(f"on screen {screen}: {text}")
            return None

        try:
            return wait_until(look, f"screen {' or '.join(names)}", SCREEN_WAIT_SECS, ignore=(MarionetteException,))
        except TimedOut as error:
            raise TimedOut(f"{error}; screen {self.screen()}, status {self.status()}") from error


def sign_in_patiently(page, email, password, read_code, tries, on_screen):
    """Goes from whatever screen is open to "done", trying again like a person when the page says that it failed.

    `read_code()` returns the code of the newest mail; `tries` bounds the failures that are put up with;
    `on_screen(name)` is called whenever a screen has been reached. Returns the screens in their order.
    """
    way = []
    while True:
        screen = _settled_screen(page)
        if not way or way[-1] != screen:
            way.append(screen)
            on_screen(screen)
        if screen == "done":
            return way
        _fill(page, screen, email, password, read_code)
        try:
            page.submit(*NEXT_SCREENS[screen])
        except PageRefused as refusal:
            tries -= 1
            if tries < 0:
                raise refusal


NEXT_SCREENS = {
    "email": ("signin", "signup"),
    "signin": ("code", "done"),
    "signup": ("code", "done"),
    "code": ("done",),
}


def _settled_screen(page):
    """The open screen, where the page waits for the person and not the other way round."""
    return wait_until(
        lambda: (name := page.screen()) not in (None, "loading", "connecting") and name,
        "a screen to fill",
        SCREEN_WAIT_SECS,
        ignore=(MarionetteException,),
    )


def _fill(page, screen, email, password, read_code):
    if screen == "email":
        page.type_into("email", email)
    elif screen in ("signin", "signup"):
        page.type_into("password", password)
    elif screen == "code":
        page.type_into("code", read_code())
    else:
        raise PageRefused(f"no way on from screen {screen}: {page.status()}")
