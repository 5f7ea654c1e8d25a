"""Programs that end with the test that started them, whatever happens in it."""

import contextlib
import os
import select
import subprocess
import time


@contextlib.contextmanager
def running(command, **options):
    """A process. One that still runs at the end is killed: a failed assertion must not wait for it for ever."""
    process = subprocess.Popen([str(part) for part in command], **options)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(60)
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe:
                pipe.close()


@contextlib.contextmanager
def on_a_terminal(command, **options):
    """The process, and the descriptor at which what it writes is read (read_terminal)."""
    reading, terminal = os.openpty()
    with contextlib.ExitStack() as closing:
        closing.callback(os.close, reading)
        try:
            process = closing.enter_context(running(command, stdin=subprocess.DEVNULL, stdout=terminal,
                                                    stderr=terminal, **options))
        finally:
            os.close(terminal)
        yield process, reading


def read_terminal(reading, is_enough=lambda _text: False, timeout_s=120):
    """What is written until it is enough, or until the program has ended."""
    deadline = time.monotonic() + timeout_s
    text = ""
    while not is_enough(text):
        left_s = deadline - time.monotonic()
        assert left_s > 0 and select.select([reading], [], [], left_s)[0], f"not within {timeout_s} s; so far: {text}"
        try:
            text += os.read(reading, 65536).decode()
        except OSError:  # The other end is closed.
            break
    return text
