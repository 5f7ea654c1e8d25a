"""What producers have in common: threads that send until they are stopped."""

import threading


class Senders:
    """arguments: one tuple for each thread, which calls _run with it; _run returns soon after stopping is set."""

    def __init__(self, arguments):
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self._run, args=own, daemon=True) for own in arguments]

    def start(self):
        for thread in self.threads:
            thread.start()
        return self

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join(120)
            assert not thread.is_alive(), "a request was never answered"
