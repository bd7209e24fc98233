"""Waiting for something to become true; there is no other kind of waiting in these tests."""

import time


def eventually(condition, within: float = 20, every: float = 0.05):
    """Asks until the answer is truthy, and gives it back. The last failed assertion explains a deadline that passed."""
    deadline = time.monotonic() + within
    while True:
        failure = None
        try:
            if answer := condition():
                return answer
        except AssertionError as error:
            failure = error
        if time.monotonic() > deadline:
            raise failure or AssertionError(f"still not true after {within} s: {condition}")
        time.sleep(every)
