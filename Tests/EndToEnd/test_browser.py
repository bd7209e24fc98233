"""`tapedeck demo` in a real browser: signing in, finding a recording, playing it."""

import csv
import json
import os
import pathlib
import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Error, expect, sync_playwright

from programs import PASSWORD, Process, command, path_segment
from proxy import SlowProxy
from sessions import Session
from waiting import PATIENCE, eventually

expect.set_options(timeout=PATIENCE * 1000)

SCREENSHOTS = pathlib.Path(__file__).resolve().parents[2] / "docs" / "screenshots"


class Demo:
    """A running `tapedeck demo`; its addresses and passwords have been printed."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self.process = Process(["demo", "--listen", "127.0.0.1:0"], folder, {}, folder / "demo.log")
        self.url = self.process.address("Tapedeck listens on")
        try:
            eventually(lambda: "Press Ctrl-C to stop" in self.process.output)
        except BaseException:
            self.process.kill()
            raise
        self.passwords = dict(re.findall(r"name (\w+) +password (\S+)", self.process.output))

    def add_administrator(self) -> None:
        """Adds the account `admin`, which the demo does not have, and a backfill, so that no page is empty."""
        settings = {"TAPEDECK_DATA_DIR": str(self.folder / "tapedeck-demo")}
        added = command(
            self.folder, "user", "add", "admin", "--role", "admin", settings=settings, stdin=PASSWORD + "\n")
        assert added.returncode == 0, added
        self.passwords["admin"] = PASSWORD
        started = command(
            self.folder, "backfill", "start", "--from", "2026-01-01", "--to", "2026-01-02", settings=settings)
        assert started.returncode == 0, started


@pytest.fixture(scope="module")
def demo(module_folder):
    demo = Demo(module_folder)
    yield demo
    assert demo.process.terminate() == 0


@pytest.fixture(scope="module")
def chromium():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--mute-audio"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium, demo):
    """Opens pages, which must not write errors to the console; `as_role` signs in through the form."""
    contexts = []
    console = []

    def open_page(as_role: str | None = None, **options):
        context = chromium.new_context(
            base_url=demo.url, **({"viewport": {"width": 1440, "height": 900}, "color_scheme": "light"} | options))
        context.set_default_timeout(PATIENCE * 1000)
        contexts.append(context)
        context.on("console", lambda message: message.type == "error" and console.append(message.text))
        context.on("weberror", lambda error: console.append(str(error.error)))
        page = context.new_page()
        if as_role:
            sign_in(page, as_role, demo.passwords[as_role])
        return page

    open_page.console = console
    yield open_page
    for context in contexts:
        context.close()
    assert console == []


def sign_in(page, name: str, password: str, at: str = "/") -> None:
    page.goto(at)
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda url: "/login" not in url)


def time_of(page) -> float:
    return page.evaluate("document.querySelector('audio').currentTime")


def paused(page) -> bool:
    return page.evaluate("document.querySelector('audio').paused")


def open_call(page, prefix: str = "spoken-") -> str:
    """Opens a recording from the list and waits until its player is ready."""
    link = page.locator(f'tr[data-row] a[href^="/play/{prefix}"]').first
    href = link.get_attribute("href")
    link.click()
    page.wait_for_url(f"**{href}")
    expect(page.locator("#deck")).to_have_attribute("data-ready", "")
    return href


def save_screenshot(page, name: str) -> None:
    if os.environ.get("UPDATE_SCREENSHOTS") == "1":
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=SCREENSHOTS / name)


def test_the_demo_says_when_it_is_ready_and_its_recordings_play(demo):
    """What a newcomer does after `make demo`, without a browser."""
    assert f"Open        {demo.url}" in demo.process.output
    session = Session.sign_in(demo.url, "supervisor", demo.passwords["supervisor"])
    rows = session.request("GET", "/api/v1/recordings?status=ready").json()["recordings"]
    assert len(rows) >= 12
    for row in rows:
        reply = session.request("GET", f"/audio/{path_segment(row['id'])}.mp3", {"Range": "bytes=0-0"})
        assert (reply.status, len(reply.body)) == (206, 1), row["id"]


def test_a_back_fill_in_the_demo_ends(demo):
    def run(*arguments):
        return command(demo.folder, "backfill", *arguments, settings={"TAPEDECK_DATA_DIR": str(demo.folder / "tapedeck-demo")})

    started = run("start", "--from", "2026-01-03", "--to", "2026-01-04")
    assert started.returncode == 0, started

    def state():
        rows = json.loads(run("list", "--json").stdout)["backfills"]
        return next(row["state"] for row in rows if row["id"] == started.stdout.strip())

    eventually(lambda: state() == "done")


def test_an_agent_finds_and_plays_a_recording(open_page):
    page = open_page("agent")
    expect(page.get_by_role("heading", name="Recordings")).to_be_visible()
    assert page.locator("tr[data-row]").count() >= 12
    save_screenshot(page, "list.png")
    open_call(page)

    slider = page.get_by_role("slider", name="Position")
    longest = float(slider.get_attribute("aria-valuemax"))
    page.get_by_role("button", name="Play", exact=True).click()
    eventually(lambda: time_of(page) > 1)
    duration = page.evaluate("document.querySelector('audio').duration")
    assert duration == pytest.approx(longest, abs=1.1)
    assert not paused(page)
    assert float(slider.get_attribute("aria-valuenow")) >= 1
    expect(page.locator("#clock")).not_to_have_text("0:00")

    # Seeking by a click in the overview …
    box = slider.bounding_box()
    page.mouse.click(box["x"] + box["width"] * 0.6, box["y"] + box["height"] / 2)
    eventually(lambda: time_of(page) == pytest.approx(duration * 0.6, abs=2.5))
    save_screenshot(page, "player.png")
    # … and by keys on the slider.
    page.get_by_role("button", name="Pause").click()
    eventually(lambda: paused(page))
    slider.focus()
    page.keyboard.press("Home")
    eventually(lambda: time_of(page) == 0)
    page.keyboard.press("ArrowRight")
    eventually(lambda: time_of(page) == pytest.approx(5, abs=0.1))
    page.keyboard.press("Shift+ArrowRight")
    eventually(lambda: time_of(page) == pytest.approx(6, abs=0.1))
    page.keyboard.press("End")
    eventually(lambda: time_of(page) == pytest.approx(duration, abs=0.3))
    page.keyboard.press("Control+ArrowLeft")
    eventually(lambda: time_of(page) == pytest.approx(max(0, duration - 30), abs=0.5))
    assert slider.get_attribute("aria-valuetext")


def logged(page, recording: str, *actions: str, after: int = 0) -> list[dict]:
    """The entries of the access log about a recording with these actions, oldest first."""
    entries = page.request.get(f"/api/v1/audit?recording={recording}&limit=1000").json()["entries"]
    return [entry for entry in entries[::-1] if entry["number"] > after and entry["action"] in actions]


def passages_of(entries: list[dict]) -> list[tuple[float, float]]:
    texts = [text for entry in entries for text in entry["details"]["passages"].split(",")]
    return [tuple(float(end) for end in text.split("-")) for text in texts]


def test_listening_is_logged_when_it_happens(open_page):
    """Opening a page is a view. What is played is logged with its passages when the page is left."""
    page = open_page("supervisor")
    open_call(page)
    recording = page.url.split("?")[0].rsplit("/", 1)[1]
    expect(page.locator("#total")).not_to_have_text("0:00")
    first = page.request.get("/api/v1/audit?limit=1").json()["entries"][0]["number"]
    requests = []
    page.on("request", lambda request: "/audio/" in request.url and requests.append(request.url))
    page.reload()
    expect(page.locator("#deck[data-ready]")).to_be_visible()
    page.goto("/")
    assert not logged(page, recording, "listen", "audio_heard", after=first)
    assert not [url for url in requests if not url.endswith("/peaks")], "nothing but the waveform was loaded"

    page.goto(f"/play/{recording}?t=30")
    page.get_by_role("button", name="Play", exact=True).click()
    eventually(lambda: time_of(page) >= 34)
    page.evaluate("document.querySelector('audio').currentTime = 5")
    eventually(lambda: 7.5 <= time_of(page) < 20)
    page.get_by_role("button", name="Pause").click()
    eventually(lambda: paused(page))
    end = time_of(page)
    # A pause does not end the session: everything is reported when the page is left, once.
    page.get_by_role("button", name="Play", exact=True).click()
    eventually(lambda: time_of(page) >= end + 2)
    assert not logged(page, recording, "audio_heard", after=first)
    last = time_of(page)
    page.goto("/")
    [heard] = eventually(lambda: logged(page, recording, "audio_heard", after=first))
    passages = passages_of([heard])
    # Playback may resume a little after the pause.
    assert passages[0][0] == pytest.approx(5, abs=1) and passages[-2][1] == pytest.approx(last, abs=1)
    assert sum(to - start for start, to in passages[:-1]) == pytest.approx(last - 5, abs=1)
    assert passages[-1][0] == pytest.approx(30, abs=1) and passages[-1][1] >= 33
    page.goto(f"/play/{recording}")
    expect(page.locator(".heard tbody tr").first).to_contain_text("0:05–")
    # Another test may have begun the session already.
    assert "supervisor" in [entry["actor"]["name"] for entry in logged(page, recording, "listen")]


def test_previous_next_and_back_keep_the_filters(open_page):
    page = open_page("agent")
    page.goto("/?status=ready&q=spoken")
    rows = page.locator("tr[data-row] th a")
    names = [href.split("/play/")[1].split("?")[0] for href in rows.evaluate_all("all => all.map((a) => a.href)")]
    assert len(names) >= 3
    rows.nth(1).click()
    page.wait_for_url(f"**/play/{names[1]}?*")
    expect(page.locator("#deck")).to_have_attribute("data-ready", "")
    page.keyboard.press("]")
    page.wait_for_url(f"**/play/{names[2]}?*")
    expect(page.locator("#deck")).to_have_attribute("data-ready", "")
    page.keyboard.press("[")
    page.wait_for_url(f"**/play/{names[1]}?*")
    page.get_by_role("link", name="Newer call").click()
    page.wait_for_url(f"**/play/{names[0]}?*")
    expect(page.get_by_role("link", name="Newer call")).to_have_count(0)
    page.get_by_role("link", name="Back to results").click()
    page.wait_for_url("**/?q=spoken&status=ready")


@pytest.fixture
def everything(demo):
    """The demo with an administrator and a backfill."""
    if "admin" not in demo.passwords:
        demo.add_administrator()
    return demo


def test_speed_volume_skipped_silence_and_zone_survive_a_new_sign_in(open_page):
    page = open_page("agent", timezone_id="America/New_York")
    expect(page.locator(".zone")).to_have_text("Times in America/New_York")
    started = page.locator("tr[data-row] time").first
    local = page.evaluate(
        """(time) => new Date(time).toLocaleTimeString('en-GB', { timeZone: 'America/New_York' })""",
        started.get_attribute("datetime"))
    expect(started).to_contain_text(local)
    assert started.get_attribute("title").endswith(" UTC")
    page.get_by_role("link", name="America/New_York").click()
    page.get_by_label("Pages show times in").select_option("Asia/Kolkata")
    page.get_by_role("button", name="Change time zone").click()
    expect(page.get_by_role("status")).to_contain_text("Asia/Kolkata")
    page.goto("/")
    expect(page.locator(".zone")).to_have_text("Times in Asia/Kolkata")
    open_call(page)
    expect(page.locator("#speed")).to_have_value("1")
    page.get_by_label("Speed").select_option("1.5")
    page.get_by_label("Volume").fill("40")
    page.get_by_role("button", name="Skip silence").click()
    page.goto("/")

    again = open_page("agent", timezone_id="America/New_York")
    eventually(lambda: again.request.get("/api/v1/preferences").json()
               == {"speed": 1.5, "volume": 0.4, "skipSilence": True, "timeZone": "Asia/Kolkata",
                   "browserTimeZone": "America/New_York"})
    expect(again.locator(".zone")).to_have_text("Times in Asia/Kolkata")
    open_call(again)
    expect(again.get_by_label("Speed")).to_have_value("1.5")
    expect(again.get_by_label("Volume")).to_have_value("40")
    expect(again.get_by_role("button", name="Skip silence")).to_have_attribute("aria-pressed", "true")
    assert again.evaluate("(() => { const a = document.querySelector('audio'); return [a.playbackRate, a.volume]; })()"
                          ) == [1.5, 0.4]
    again.get_by_label("Speed").select_option("1")
    again.get_by_label("Volume").fill("100")
    again.get_by_role("button", name="Skip silence").click()
    again.goto("/account")
    again.get_by_label("Pages show times in").select_option("browser")
    again.get_by_role("button", name="Change time zone").click()
    eventually(lambda: again.request.get("/api/v1/preferences").json()
               == {"speed": 1, "volume": 1, "skipSilence": False, "timeZone": "browser",
                   "browserTimeZone": "America/New_York"})
    # Another browser of the same account shows times in its own zone, and changes nothing for the first one.
    other = open_page("agent", timezone_id="Asia/Tokyo")
    expect(other.locator(".zone")).to_have_text("Times in Asia/Tokyo")
    again.goto("/")
    expect(again.locator(".zone")).to_have_text("Times in America/New_York")


def test_the_time_zone_is_chosen_without_javascript(open_page):
    page = open_page("agent", java_script_enabled=False)
    page.goto("/account")
    page.get_by_label("Pages show times in").select_option("Pacific/Auckland")
    page.get_by_role("button", name="Change time zone").click()
    page.goto("/")
    expect(page.locator(".zone")).to_have_text("Times in Pacific/Auckland")
    page.goto("/account")
    page.get_by_label("Pages show times in").select_option("browser")
    page.get_by_role("button", name="Change time zone").click()


def test_the_waveform_of_both_channels_is_drawn(open_page):
    page = open_page("agent")
    open_call(page)

    def colors():
        """The number of non-empty pixels of each canvas."""
        return page.evaluate("""() => ['overview', 'lanes', 'overview-ruler', 'ruler'].map((id) => {
          const canvas = document.getElementById(id);
          const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
          let filled = 0;
          for (let i = 3; i < data.length; i += 4) if (data[i]) filled += 1;
          return filled;
        })""")

    eventually(lambda: min(colors()[:2]) > 2000 and min(colors()[2:]) > 200)
    expect(page.locator(".lane")).to_have_count(2)


def test_a_report_that_may_not_have_arrived_is_sent_again_and_logged_once(open_page):
    page = open_page("supervisor")
    open_call(page)
    recording = page.url.split("?")[0].rsplit("/", 1)[1]
    first = page.request.get("/api/v1/audit?limit=1").json()["entries"][0]["number"]
    sent = []

    def lose_the_answer(route):
        sent.append(route.request.post_data_json)
        if len(sent) == 1:
            route.fetch()
            route.abort()
        else:
            route.continue_()

    page.route("**/heard", lose_the_answer)
    for number in (1, 2):
        page.get_by_role("button", name="Play", exact=True).click()
        before = time_of(page)
        eventually(lambda: time_of(page) > before + 1)
        page.get_by_role("button", name="Pause").click()
        eventually(lambda: paused(page))
        # As when the page is left, and comes back from the history.
        page.evaluate("dispatchEvent(new Event('pagehide'))")
        # Requests are passed on only during a call of the browser.
        eventually(lambda: paused(page) and len(sent) >= number)
    eventually(lambda: len(logged(page, recording, "audio_heard", after=first)) == 2 and len(sent) == 3)
    assert sent[1] == sent[0] and sent[2]["report"] != sent[0]["report"]
    open_page.console.clear()


#: The heights of the bars of the overview, one for each CSS pixel, in CSS pixels.
BARS = """() => {
  const canvas = document.getElementById('overview');
  const { width, height } = canvas;
  const { data } = canvas.getContext('2d').getImageData(0, 0, width, height);
  return Array.from({ length: canvas.clientWidth }, (_, bar) => {
    const x = Math.floor((bar + 0.5) * devicePixelRatio);
    let filled = 0;
    for (let y = 0; y < height; y++) filled += data[(y * width + x) * 4 + 3] / 255;
    return filled / devicePixelRatio;
  });
}"""


def test_the_waveform_looks_the_same_on_screens_of_every_density(open_page):
    drawn = {}
    for density in (1, 2):
        page = open_page("agent", device_scale_factor=density)
        page.goto("/play/spoken-billing")
        expect(page.locator("#waveform-note")).to_be_hidden()
        eventually(lambda: sum(page.evaluate(BARS)) > 2000)
        drawn[density] = page.evaluate(BARS)
        # Both device pixels of a bar are alike: a bar is one CSS pixel wide.
        if density == 2:
            assert page.evaluate("""() => {
              const canvas = document.getElementById('overview');
              const { width, height } = canvas;
              const { data } = canvas.getContext('2d').getImageData(0, 0, width, height);
              for (let y = 0; y < height; y++)
                for (let x = 0; x + 1 < width; x += 2)
                  for (const byte of [0, 1, 2, 3])
                    if (data[(y * width + x) * 4 + byte] !== data[(y * width + x + 1) * 4 + byte]) return false;
              return true;
            }""")
    assert len(drawn[1]) == len(drawn[2])
    assert all(one == pytest.approx(two, abs=1) for one, two in zip(drawn[1], drawn[2])), drawn


def test_the_area_of_the_waveform_says_that_it_is_loading_or_failed(open_page):
    page = open_page("agent")
    page.goto("/play/spoken-billing")
    waiting = []
    page.route("**/peaks", lambda route: waiting.append(route))
    page.reload(wait_until="commit")
    note = page.locator("#waveform-note")
    expect(note).to_have_text("Loading the waveform…")
    expect(note).to_be_visible()
    assert note.get_attribute("aria-live") == "polite"
    eventually(lambda: note.is_visible() and waiting)
    waiting[0].continue_()
    expect(note).to_be_hidden()
    page.unroute("**/peaks")
    page.route("**/peaks", lambda route: route.abort())
    page.reload(wait_until="commit")
    expect(note).to_have_text("The waveform could not be loaded. Playback works without it.")
    open_page.console.clear()


def test_the_volume_is_set_by_a_click_near_its_track(open_page):
    page = open_page("agent")
    open_call(page)
    box = page.get_by_label("Volume").bounding_box()
    assert box["height"] >= 24
    for share, edge in ((0.25, 3), (0.75, box["height"] - 3)):
        page.mouse.click(box["x"] + box["width"] * share, box["y"] + edge)
        eventually(lambda: page.evaluate("document.querySelector('audio').volume") == pytest.approx(share, abs=0.1))
    page.get_by_label("Volume").fill("100")
    eventually(lambda: page.request.get("/api/v1/preferences").json().get("volume") == 1)


def test_the_time_under_the_pointer_is_shown(open_page):
    page = open_page("agent")
    open_call(page)
    slider = page.get_by_role("slider", name="Position")
    box = slider.bounding_box()
    duration = float(page.locator("#deck").get_attribute("data-duration"))
    label = page.locator("#pointer")
    expect(label).to_be_hidden()
    for share in (0.25, 0.75):
        page.mouse.move(box["x"] + box["width"] * share, box["y"] + 20)
        expect(label).to_be_visible()
        minutes, seconds = label.inner_text().split(":")
        assert int(minutes) * 60 + int(seconds) == pytest.approx(duration * share, abs=1.1)
    assert time_of(page) == 0, "looking does not move the position"
    page.mouse.move(5, 5)
    expect(label).to_be_hidden()


def test_a_finger_scrolls_over_the_waveform_and_moves_the_position_by_a_tap_or_sideways(open_page):
    page = open_page("agent", viewport={"width": 360, "height": 640}, has_touch=True, is_mobile=True)
    open_call(page)
    duration = float(page.locator("#deck").get_attribute("data-duration"))
    finger = page.context.new_cdp_session(page)

    def touch(kind: str, *points: tuple[float, float]) -> None:
        finger.send("Input.dispatchTouchEvent", {
            "type": kind, "touchPoints": [{"x": x, "y": y} for x, y in points]})

    box = page.get_by_role("slider", name="Position").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    touch("touchStart", (x, y))
    for step in range(1, 20):
        touch("touchMove", (x, y - 8 * step))
    touch("touchEnd")
    eventually(lambda: page.evaluate("scrollY") > 0)
    assert time_of(page) == 0
    # A new page, as the old one may still be scrolling.
    page.goto("/")
    open_call(page)
    assert page.evaluate("scrollY") == 0
    touch("touchStart", (x, y))
    touch("touchEnd")
    eventually(lambda: time_of(page) == pytest.approx(duration / 2, abs=1))
    touch("touchStart", (x, y))
    for step in range(1, 11):
        touch("touchMove", (x + box["width"] / 4 * step / 10, y))
    touch("touchEnd")
    eventually(lambda: time_of(page) == pytest.approx(duration * 0.75, abs=1))
    assert page.evaluate("scrollY") == 0


def test_a_lane_can_be_muted(open_page):
    page = open_page("agent")
    open_call(page)
    page.get_by_role("button", name="Play", exact=True).click()
    eventually(lambda: time_of(page) > 0.5)
    mute = page.get_by_role("button", name="Mute Customer")
    assert mute.get_attribute("aria-pressed") == "false"
    colour = mute.evaluate("(button) => getComputedStyle(button).backgroundColor")
    mute.click()
    expect(mute).to_have_attribute("aria-pressed", "true")
    eventually(lambda: mute.evaluate("(button) => getComputedStyle(button).backgroundColor") != colour)
    before = time_of(page)
    eventually(lambda: time_of(page) > before + 0.5)
    assert not paused(page), "playback continues through the audio graph"
    page.keyboard.press("b")
    expect(mute).to_have_attribute("aria-pressed", "false")


def test_keyboard_shortcuts_of_the_player(open_page):
    page = open_page("agent")
    open_call(page)
    page.locator("body").click(position={"x": 5, "y": 5})
    page.keyboard.press("Space")
    eventually(lambda: not paused(page))
    page.keyboard.press("Space")
    eventually(lambda: paused(page))
    page.keyboard.press("t")
    page.keyboard.type("0:07")
    page.keyboard.press("Enter")
    eventually(lambda: time_of(page) == pytest.approx(7, abs=0.1))
    page.get_by_label("Speed").select_option("2")
    assert page.evaluate("document.querySelector('audio').playbackRate") == 2
    page.locator("body").click(position={"x": 5, "y": 5})
    page.keyboard.press("Shift+?")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    dialog.get_by_role("switch", name="Single-key shortcuts").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("t")
    assert page.evaluate("document.activeElement.id") != "go-time", "single-key shortcuts are off"


def test_space_plays_unless_it_types_or_presses_a_button_of_the_keyboard(open_page):
    page = open_page("agent")
    open_call(page)
    for where in ("#forward", "#volume", "#clock", "#loop"):
        page.locator(where).click()
        page.keyboard.press("Space")
        eventually(lambda: not paused(page))
        page.keyboard.press("Space")
        eventually(lambda: paused(page))
    page.get_by_label("Go to").click()
    page.keyboard.type("1 2")
    assert page.get_by_label("Go to").input_value() == "1 2" and paused(page)
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Copy link to this moment")).to_be_focused()
    page.keyboard.press("Space")
    expect(page.get_by_role("status")).to_contain_text(re.compile("link", re.I))
    assert paused(page)


def test_going_to_a_time_outside_of_the_loop_leaves_the_loop(open_page):
    page = open_page("agent")
    href = open_call(page)
    loop = page.get_by_role("button", name="Loop", exact=True)
    page.goto(f"{href}?loop=5-9")
    expect(loop).to_have_attribute("aria-pressed", "true")

    def go(time: str) -> None:
        page.get_by_label("Go to").fill(time)
        page.get_by_role("button", name="Go", exact=True).click()

    go("0:07")
    expect(loop).to_have_attribute("aria-pressed", "true")
    go("0:20")
    expect(page.get_by_role("status")).to_have_text("Position 0:20, loop off")
    expect(loop).to_have_attribute("aria-pressed", "false")
    page.get_by_role("button", name="Play", exact=True).click()
    eventually(lambda: time_of(page) > 20.3)
    assert "loop=" not in page.url
    page.get_by_role("button", name="Pause").click()
    eventually(lambda: paused(page))

    loop.click()
    page.get_by_label("Zoom").select_option("0")
    box = page.get_by_role("slider", name="Position").bounding_box()
    page.mouse.click(box["x"] + box["width"] * 0.9, box["y"] + 20)
    expect(loop).to_have_attribute("aria-pressed", "false")
    assert time_of(page) > 20
    # Keys move within the loop.
    loop.click()
    go("0:06")
    page.keyboard.press("Escape")
    page.locator("#clock").click()
    page.keyboard.press("ArrowLeft")
    eventually(lambda: time_of(page) == pytest.approx(5, abs=0.1))
    expect(loop).to_have_attribute("aria-pressed", "true")


def test_a_row_of_the_list_opens_its_recording_wherever_it_is_clicked(open_page):
    page = open_page("agent")
    row = page.locator("tr[data-row]").first

    def click(cell: str) -> None:
        # The link lies above the cells.
        box = row.locator(cell).bounding_box()
        page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)

    for cell in (".agent", ".duration", ".status"):
        page.goto("/?status=ready&q=spoken")
        href = row.locator("a").get_attribute("href")
        click(cell)
        page.wait_for_url(lambda url: url.endswith(href))
    page.goto("/?status=ready&q=spoken")
    page.keyboard.down("Control")
    with page.context.expect_page() as opened:
        click(".agent")
    page.keyboard.up("Control")
    opened.value.wait_for_url("**/play/*")
    assert "/play/" not in page.url


def test_the_sign_in_page_of_a_signed_in_browser_opens_the_list(open_page):
    page = open_page("agent")
    page.goto("/login")
    expect(page.get_by_role("heading", name="Recordings")).to_be_visible()


def decoded_bytes(page) -> int:
    return page.evaluate("document.querySelector('audio').webkitAudioDecodedByteCount")


def test_a_long_call_resumes_with_sound_after_a_pause(chromium, make_server):
    """A stream that the browser does not read is closed by the server: here after a second, by default after a minute."""
    server = make_server(TAPEDECK_CLIENT_STALL_SECONDS="1")
    assert server.supervisor.ingest("bench-50mb").status == 200
    # Sixteen seconds of 52 minutes.
    proxy = SlowProxy(int(server.url.rsplit(":", 1)[1]), granted=256 << 10)
    context = chromium.new_context(base_url=f"http://127.0.0.1:{proxy.port}")
    context.set_default_timeout(PATIENCE * 1000)
    page = context.new_page()
    sign_in(page, "sue", PASSWORD, at="/play/bench-50mb")
    page.get_by_label("Speed").select_option("2")
    page.get_by_role("button", name="Play", exact=True).click()
    eventually(lambda: time_of(page) > 1)
    page.get_by_role("button", name="Pause").click()
    eventually(lambda: paused(page))
    before = time_of(page)
    assert before < 16
    # The server closes the stream during the pause. The browser learns of it when it wants to read on.
    eventually(proxy.has_stalled)
    eventually(proxy.closed_by_server)
    requests = len(proxy.first_bytes)
    proxy.release()

    page.get_by_role("button", name="Play", exact=True).click()
    eventually(lambda: time_of(page) > 20)
    assert max(proxy.first_bytes[requests:]) >= 200_000, proxy.first_bytes
    decoded = decoded_bytes(page)
    eventually(lambda: decoded_bytes(page) > decoded)
    # Far beyond everything that the browser has kept.
    page.get_by_label("Go to").fill("45:00")
    page.get_by_role("button", name="Go", exact=True).click()
    decoded = decoded_bytes(page)
    eventually(lambda: time_of(page) > 2702 and decoded_bytes(page) > decoded)
    expect(page.locator("#deck-message")).not_to_contain_text("could not")
    context.close()
    proxy.close()


def test_keyboard_shortcuts_of_the_list(open_page):
    page = open_page("agent")
    page.keyboard.press("j")
    page.keyboard.press("j")
    second = page.locator("tr[data-row]").nth(1).locator("a")
    expect(second).to_be_focused()
    page.keyboard.press("k")
    first = page.locator("tr[data-row]").first.locator("a")
    expect(first).to_be_focused()
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("spoken")
    page.keyboard.press("Escape")
    first.focus()
    href = first.get_attribute("href")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{href}")


def test_a_link_with_a_position_opens_at_the_position(open_page):
    page = open_page("agent")
    href = open_call(page)
    page.goto(f"{href}?t=9")
    eventually(lambda: time_of(page) == pytest.approx(9, abs=0.2))


def test_a_restricted_recording_is_a_row_without_link_for_an_agent_and_plays_for_a_supervisor(open_page):
    agent = open_page("agent")
    row = agent.locator("tr.denied").first
    expect(row).to_contain_text("Restricted: ask a supervisor")
    assert row.locator("a").count() == 0
    response = agent.request.get("/audio/restricted-01.mp3")
    assert response.status == 403
    open_page.console.clear()

    supervisor = open_page("supervisor")
    expect(supervisor.locator("tr.denied")).to_have_count(0)
    open_call(supervisor, "restricted-01")
    expect(supervisor.locator("main")).to_contain_text("Restricted")
    supervisor.get_by_role("button", name="Play", exact=True).click()
    eventually(lambda: time_of(supervisor) > 0.5)
    supervisor.get_by_role("navigation", name="Main").get_by_role("link", name="Access log").click()
    expect(supervisor.locator("tbody tr").filter(has_text="Started playback").first).to_contain_text("restricted-01")


def test_the_page_of_a_restricted_recording_says_whom_to_ask(open_page):
    page = open_page("agent")
    response = page.goto("/play/restricted-01")
    assert response.status == 403
    expect(page.locator("h1")).to_have_text("Restricted recording")
    expect(page.locator("main")).to_contain_text("supervisor")
    assert page.locator("audio").count() == 0
    # Chromium writes the status of the page to the console.
    assert all("403" in message for message in open_page.console)
    open_page.console.clear()


def fetch(page, id: str) -> None:
    """Requests a recording with the button of its page, which then shows the player."""
    assert page.goto(f"/play/{id}").status == 404
    page.get_by_role("button", name=re.compile("fetch", re.I)).click()
    expect(page.locator("#deck")).to_have_attribute("data-ready", "")


def test_the_button_of_a_page_requests_a_recording_and_it_plays(open_page):
    page = open_page("supervisor")
    fetch(page, "bench-3min-07")
    open_page.console.clear()
    page.get_by_role("button", name="Play", exact=True).click()
    eventually(lambda: time_of(page) > 0.5)


def test_a_codec_that_browsers_do_not_support_plays_as_mp3(open_page):
    page = open_page("supervisor")
    fetch(page, "codec-gsm")
    open_page.console.clear()
    assert page.evaluate("document.querySelector('audio').src").endswith("/audio/codec-gsm.mp3")
    page.get_by_role("button", name="Play", exact=True).click()
    eventually(lambda: time_of(page) > 0.5)


def test_without_javascript_the_page_has_a_native_player(open_page):
    page = open_page("agent", java_script_enabled=False)
    link = page.locator('tr[data-row] a[href^="/play/spoken-"]').first
    id = link.get_attribute("href").removeprefix("/play/")
    link.click()
    audio = page.locator("audio")
    expect(audio).to_be_visible()
    assert audio.get_attribute("src") == f"/audio/{id}.mp3"
    assert audio.get_attribute("controls") is not None
    expect(page.get_by_role("button", name="Play", exact=True)).to_be_hidden()
    reply = page.request.get(f"/audio/{id}.mp3", headers={"Range": "bytes=0-99"})
    assert (reply.status, len(reply.body())) == (206, 100)
    with page.expect_request(f"**/audio/{id}.mp3"):
        audio.focus()
        page.keyboard.press("Space")


def test_pages_need_a_sign_in_after_signing_out(open_page):
    page = open_page("agent")
    href = open_call(page)
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/login*")
    page.goto(href)
    assert "/login?next=" in page.url
    page.get_by_label("Name").fill("agent")
    page.get_by_label("Password").fill("wrong wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_have_text("Name or password is wrong.")
    open_page.console.clear()


def violations(page) -> list[str]:
    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return [f"{item['id']}: {node['target']} {node['failureSummary']}" for item in found for node in item["nodes"]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_violations(open_page, everything, scheme):
    page = open_page(color_scheme=scheme)
    page.goto("/login")
    assert violations(page) == []
    page = open_page("supervisor", color_scheme=scheme)
    assert violations(page) == []
    open_call(page)
    assert violations(page) == []
    page.get_by_role("button", name="Mute Agent").click()
    page.get_by_role("button", name="Skip silence").click()
    assert violations(page) == []
    page.keyboard.press("Shift+?")
    expect(page.get_by_role("dialog")).to_be_visible()
    assert violations(page) == []
    for path in SUPERVISORS:
        page.goto(path)
        assert violations(page) == [], path
    page = open_page("admin", color_scheme=scheme)
    for path in ADMINISTRATORS:
        page.goto(path)
        assert violations(page) == [], path
    page = open_page("agent", color_scheme=scheme)
    page.goto("/play/restricted-01")
    assert violations(page) == []
    open_page.console.clear()


#: The pages that have no test of their own above, with their empty and failed forms.
SUPERVISORS = [
    "/audit", "/audit?who=nothing-like-this", "/notices", "/coverage", "/platform", "/account", "/?q=nothing-like-this",
    "/?from=2026-01-02&to=2026-01-01", "/play/not-here", "/play/%2e%2e"]
ADMINISTRATORS = ["/accounts", "/accounts/agent", "/coverage"]

#: Text that overlaps other text or is cut off, and controls that are too small for a finger (WCAG 2.2, 24 px).
PROBLEMS = """() => {
  const problems = [];
  const isShown = (element) => element.checkVisibility({ visibilityProperty: true })
    && !element.closest('.hidden-text, .skip-link, .wide-text, .top-nav, canvas, dialog, .table-card thead');
  const all = [...document.querySelectorAll('body *')].filter(isShown);
  if (document.documentElement.scrollWidth > innerWidth) problems.push('the page is wider than the window');
  for (const element of all) {
    const box = element.getBoundingClientRect();
    if (box.width && (box.right > innerWidth + 1 || box.left < -1)) problems.push(`cut off: ${element.outerHTML.slice(0, 80)}`);
  }
  const targets = all.filter((element) => element.matches('a, button, select, input:not([type=hidden], [type=checkbox])'));
  for (const target of targets) {
    const box = target.getBoundingClientRect();
    if (box.height < 23.9) problems.push(`${box.height} px high: ${target.outerHTML.slice(0, 80)}`);
  }
  const cells = all.filter((element) => element.matches('td, th, dt, dd, .field, h1, h2, .page-head p'));
  const boxes = cells.map((cell) => [cell, cell.getBoundingClientRect()]).filter(([, box]) => box.width && box.height);
  for (const [a, left] of boxes) {
    for (const [b, right] of boxes) {
      if (a === b || a.contains(b) || b.contains(a)) continue;
      const across = Math.min(left.right, right.right) - Math.max(left.left, right.left);
      const down = Math.min(left.bottom, right.bottom) - Math.max(left.top, right.top);
      if (across > 1 && down > 1) problems.push(`overlap: ${a.outerHTML.slice(0, 60)} and ${b.outerHTML.slice(0, 60)}`);
    }
  }
  return problems;
}"""


@pytest.mark.parametrize("width", [320, 360, 768])
def test_every_page_is_readable_in_a_narrow_window(open_page, everything, width):
    options = {"viewport": {"width": width, "height": 800}}
    page = open_page(**options)
    page.goto("/login")
    assert page.evaluate(PROBLEMS) == [], "/login"
    page = open_page("supervisor", **options)
    player = page.locator('a[href^="/play/spoken-"]').first.get_attribute("href")
    for path in ["/", player, *SUPERVISORS]:
        page.goto(path)
        assert page.evaluate(PROBLEMS) == [], path
        header = page.locator("header").bounding_box()["height"]
        assert header <= 84, f"{path}: the header takes {header} px"
    page = open_page("admin", **options)
    for path in ADMINISTRATORS:
        page.goto(path)
        assert page.evaluate(PROBLEMS) == [], path
    open_page.console.clear()


#: Every filter that takes text: the page, its label, what is typed, and what a row that is found has.
FILTERS = [
    ("/", "Search", "Zoë Müller", "Zoë Müller"), ("/", "Search", "zoe mull", "Zoë Müller"),
    ("/", "Agent", "Zoë Müller", "Zoë Müller"), ("/", "Agent", "MÜLLER", "Zoë Müller"),
    ("/", "Agent", "zoe mul", "Zoë Müller"), ("/audit", "User", "Zoë Müller", "Zoë Müller"),
    ("/audit", "Recording", "appel réécouté", "appel réécouté"),
]


@pytest.fixture(scope="module")
def zoe(demo, module_folder):
    """An account, a recording and an entry of the access log with accents and a space."""
    here = ("--data-dir", "tapedeck-demo")
    password = "cheval correct 7"
    added = command(module_folder, "user", "add", "Zoë Müller", "--role", "supervisor", *here, stdin=password + "\n")
    assert added.returncode == 0, added
    found = command(module_folder, "search", "--from", "2000-01-01", "--to", "2100-01-01", "--json", *here)
    calls = [json.loads(line) for line in found.stdout.splitlines()]
    shortest = min((call for call in calls if call["agentName"] == "Zoë Müller" and call["status"] == "available"),
                   key=lambda call: call["durationSeconds"])
    assert command(module_folder, "ingest", shortest["id"], *here).returncode == 0
    command(module_folder, "ingest", "appel réécouté", *here)
    return password


@pytest.mark.parametrize("path, label, typed, shown", FILTERS)
def test_two_words_with_an_accent_find_their_rows_in_every_filter(open_page, zoe, path, label, typed, shown):
    page = open_page()
    sign_in(page, "Zoë Müller", zoe)
    page.goto(path)
    box = page.locator("form.filters").get_by_label(label, exact=True)
    box.fill(typed)
    box.press("Enter")
    page.wait_for_url(lambda url: "=" in url)
    rows = page.locator("tr[data-row]")
    expect(rows.first).to_contain_text(shown)
    expect(rows.filter(has_not_text=shown)).to_have_count(0)
    expect(page.locator("form.filters").get_by_label(label, exact=True)).to_have_value(typed)
    expect(page.locator(".chip").first).to_contain_text(typed)


def test_every_text_filter_is_tested(open_page):
    page = open_page("supervisor")
    known = {path: {label for at, label, _, _ in FILTERS if at == path} for path, _, _, _ in FILTERS}
    for path in ("/", "/audit", "/coverage", "/platform"):
        page.goto(path)
        labels = page.locator("form[method=get] label:has(input:not([type=date]))").locator("span").all_inner_texts()
        assert set(labels) == known.get(path, set()), path


def test_agents_are_suggested_and_lists_are_exported(open_page, zoe):
    page = open_page("supervisor")
    page.goto("/?agent=zoe+mul")
    assert "Zoë Müller" in page.locator("#agents option").evaluate_all("all => all.map((o) => o.value)")
    for path, name in (("/?agent=zoe+mul", "recordings"), ("/audit?who=Zo%C3%AB+M%C3%BCller", "access-log")):
        page.goto(path)
        with page.expect_download() as download:
            page.get_by_role("link", name="Export CSV").click()
        assert re.fullmatch(rf"tapedeck-{name}-\d{{4}}-\d\d-\d\d\.csv", download.value.suggested_filename)
        rows = list(csv.DictReader(pathlib.Path(download.value.path()).open(newline="", encoding="utf-8")))
        assert rows and all("Zoë Müller" in (row.get("agentName"), row.get("actorName")) for row in rows)


def test_everything_is_loaded_from_the_server(open_page, demo):
    page = open_page("agent")
    requested = []
    page.on("request", lambda request: requested.append(request.url))
    open_call(page)
    page.get_by_role("button", name="Play", exact=True).click()
    eventually(lambda: time_of(page) > 0.5)
    assert requested and all(url.startswith((demo.url, "blob:")) for url in requested)


def test_the_content_security_policy_blocks_foreign_scripts(open_page):
    page = open_page("agent")
    with pytest.raises(Error):
        page.add_script_tag(content="window.intruder = 1")
    assert page.evaluate("window.intruder") is None
    assert any("Content Security Policy" in message for message in open_page.console)
    open_page.console.clear()
