"""Waiting until something is true. No test waits for a fixed time."""

import time

#: Seconds after which a condition counts as never met: many, so that no test depends on the speed of the machine.
PATIENCE = 300


def eventually(condition, every: float = 0.05, within: float = PATIENCE):
    """Asks until the answer is truthy and returns it; raises the last failed assertion when the time is over."""
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
