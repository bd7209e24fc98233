"""A call with two interactions, a hold, a mask and three legs, from the platform to sound in a browser."""

from __future__ import annotations

import os
import pathlib

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect, sync_playwright

from process import command
from programs import PASSWORD, Server
from test_media_playback import MediaSandbox
from waiting import PATIENCE

expect.set_options(timeout=PATIENCE * 1000)

SCREENSHOTS = pathlib.Path(__file__).resolve().parents[2] / "docs" / "screenshots"
CALL = "900000000016"


@pytest.fixture(scope="module")
def server(module_folder, template):
    tenant = MediaSandbox(module_folder)
    server = Server(module_folder / "server", tenant.settings, template).start()
    done = command(server.folder, "ingest", CALL, settings=server.settings)
    assert done.returncode == 0, done
    yield server
    server.end()
    tenant.kill()


@pytest.fixture(scope="module")
def chromium():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--mute-audio"])
        yield browser
        browser.close()


@pytest.fixture
def player(chromium, server):
    """The page of the call, opened by a supervisor. It must not write errors to the console."""
    context = chromium.new_context(
        base_url=server.url, viewport={"width": 1440, "height": 900}, color_scheme="light")
    context.set_default_timeout(PATIENCE * 1000)
    console = []
    context.on("console", lambda message: message.type == "error" and console.append(message.text))
    context.on("weberror", lambda error: console.append(str(error.error)))
    page = context.new_page()
    page.goto(f"/play/{CALL}")
    page.get_by_label("Name").fill("sue")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda url: "/login" not in url)
    expect(page.locator("#deck")).to_have_attribute("data-ready", "")
    yield page
    context.close()
    assert console == []


def time_of(page) -> float:
    return page.evaluate("document.querySelector('audio').currentTime")


def offset(server) -> float:
    return server.data.parts(CALL)[1]["offset_ms"] / 1000


def test_parts_lanes_and_stages_are_named(player, server):
    assert len(server.data.parts(CALL)) == 2
    lanes = player.locator("#zoomed .lane-name").all_text_contents()
    assert len(lanes) == 2 and lanes[0].startswith("Agent: ") and lanes[1] == "Customer", lanes
    rows = player.locator(".passages .passage-text").all_text_contents()
    assert rows == ["Part 1", "Hold", "Part 2, after a gap of 0:20", "Masked"]


def test_the_call_plays_in_order_over_the_boundary(player, server):
    boundary = offset(server)
    player.get_by_role("button", name="Go to 0:24, Part 2").click()
    assert abs(time_of(player) - boundary) < 0.01
    player.keyboard.press("Shift+ArrowLeft")
    assert time_of(player) < boundary - 0.5
    slider = player.get_by_role("slider", name="Position")
    expect(slider).to_have_attribute("aria-valuetext", f"{int(boundary - 1)} seconds of 48 seconds, part 1")
    player.keyboard.press("Control+Space")
    player.wait_for_function(f"document.querySelector('audio').currentTime > {boundary + 1}")
    expect(slider).to_have_attribute("aria-valuetext", "25 seconds of 48 seconds, part 2")
    player.keyboard.press("Control+Space")


def test_passages_are_reached_with_the_keyboard_and_read_out(player):
    hold = player.get_by_role("button", name="Go to 0:03–0:07, Hold")
    hold.focus()
    player.keyboard.press("Enter")
    expect(player.get_by_role("slider", name="Position")).to_have_attribute(
        "aria-valuetext", "3 seconds of 48 seconds, part 1, hold")
    expect(player.get_by_role("status")).to_contain_text("Position 0:03")


def test_bands_and_marks_are_drawn(player, server):
    expect(player.locator("#waveform-note")).to_be_hidden()
    pixels = player.evaluate(
        """(times) => {
          const canvas = document.getElementById('lanes');
          const total = Number(document.getElementById('deck').dataset.duration);
          const pen = canvas.getContext('2d');
          const alpha = (time) => {
            const x = Math.round((time / total) * canvas.width);
            return pen.getImageData(x, 2, 1, 1).data[3];
          };
          return times.map(alpha);
        }""", [1.0, 5.0, offset(server), offset(server) + 11.5])
    plain, hold, mark, mask = pixels
    assert plain == 0 and hold > 0 and mark > 100 and mask > 0, pixels


def test_axe_finds_no_violations(player):
    found = Axe().run(player)
    assert found.violations_count == 0, found.generate_report()


def test_the_page_is_usable_in_a_narrow_window(player):
    player.set_viewport_size({"width": 320, "height": 800})
    assert player.evaluate("document.documentElement.scrollWidth") <= 320


def test_screenshot(player, tmp_path):
    expect(player.locator("#waveform-note")).to_be_hidden()
    player.get_by_role("button", name="Go to 0:24, Part 2").click()
    folder = SCREENSHOTS if os.environ.get("UPDATE_SCREENSHOTS") == "1" else tmp_path
    path = folder / "parts.png"
    player.screenshot(path=path, full_page=True)
    assert path.stat().st_size > 10_000
