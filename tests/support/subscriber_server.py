"""Subscribers in a process of their own, so that tests do not slow them: started by subscribers.py.

The first line on stdin is a JSON object: {"host", "journal", "seed", "subscribers": {name: {"slow_s": [from, to],
"refuse": one of so many}}}. The answer is one line with the ports. Then commands, one a line, each answered by a line:
`down NAME` closes its port and cuts its connections, `up NAME` opens it again, `hang NAME` leaves calls without an
answer, `end` writes the journal and ends. Each line of the journal is a call:

    subscriber number attempt arrived answered status      (status 0: it was cut off before it was answered)
"""

import asyncio
import json
import random
import sys
import time

FLUSH_S = 0.1
REASONS = {200: b"OK", 422: b"Unprocessable Content", 500: b"Internal Server Error"}


def refusal(number, one_of):
    """What an event is refused with, always: every second one for good, the others whenever they come. None: it is not."""
    if not one_of or number % one_of:
        return None
    return 422 if number // one_of % 2 else 500


class Subscriber:
    def __init__(self, name, host, randomness, journal, slow_s=None, refuse=0):
        self.name = name
        self.host = host
        self.port = 0
        self.randomness = randomness
        self.journal = journal
        self.slow_s = slow_s
        self.refuse = refuse
        self.is_hanging = False
        self.server = None
        self.connections = set()

    async def up(self):
        loop = asyncio.get_running_loop()
        self.server = await loop.create_server(lambda: Connection(self), self.host, self.port, reuse_address=True,
                                               backlog=1024)
        self.port = self.server.sockets[0].getsockname()[1]

    def down(self):
        self.server.close()
        for connection in list(self.connections):
            connection.transport.abort()

    def pause_s(self):
        return self.randomness.uniform(*self.slow_s) if self.slow_s else 0


class Connection(asyncio.Protocol):
    """HTTP/1.1 with Content-Length, one request after the other: all that the gateway sends."""

    def __init__(self, subscriber):
        self.subscriber = subscriber
        self.received = b""
        self.call = None

    def connection_made(self, transport):
        self.transport = transport
        self.subscriber.connections.add(self)

    def connection_lost(self, _reason):
        self.subscriber.connections.discard(self)
        if self.call:
            self.call.cut_off()
            self.call = None

    def data_received(self, data):
        self.received += data
        head_size = self.received.find(b"\r\n\r\n")
        if head_size < 0:
            return
        headers = {}
        for line in self.received[:head_size].split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            headers[name.lower()] = value.strip()
        size = head_size + 4 + int(headers.get(b"content-length", 0))
        if len(self.received) < size:
            return
        body, self.received = self.received[head_size + 4:size], self.received[size:]
        self.call = Call(self, int(json.loads(body)["data"]["number"]),
                         int(headers.get(b"event-gateway-attempt", 0)))
        if self.subscriber.is_hanging:
            return
        pause_s = self.subscriber.pause_s()
        if pause_s:
            asyncio.get_running_loop().call_later(pause_s, self.call.answer)
        else:
            self.call.answer()


class Call:
    def __init__(self, connection, number, attempt):
        self.connection = connection
        self.number = number
        self.attempt = attempt
        self.arrived = time.time()
        self.is_over = False

    def answer(self):
        if self.is_over:
            return
        self._end(refusal(self.number, self.connection.subscriber.refuse) or 200)

    def cut_off(self):
        if not self.is_over:
            self._write(0)

    def _end(self, status):
        self._write(status)
        self.connection.call = None
        self.connection.transport.write(
            b"HTTP/1.1 %d %s\r\nContent-Length: 0\r\n\r\n" % (status, REASONS[status]))

    def _write(self, status):
        self.is_over = True
        subscriber = self.connection.subscriber
        subscriber.journal.write(f"{subscriber.name} {self.number} {self.attempt} {self.arrived:.6f} "
                                 f"{time.time():.6f} {status}\n")


async def flush_for_ever(journal):
    while True:
        await asyncio.sleep(FLUSH_S)
        journal.flush()


async def obey(command, subscribers):
    verb, _, name = command.partition(" ")
    if verb == "down":
        subscribers[name].down()
    elif verb == "up":
        await subscribers[name].up()
    elif verb == "hang":
        subscribers[name].is_hanging = True
    else:
        raise ValueError(command)


async def serve(settings):
    loop = asyncio.get_running_loop()
    lines = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    with open(settings["journal"], "w", encoding="ascii") as journal:
        subscribers = {}
        for name, behaviour in settings["subscribers"].items():
            randomness = random.Random(f"{settings['seed']} {name}")
            subscribers[name] = Subscriber(name, settings["host"], randomness, journal, **behaviour)
            await subscribers[name].up()
        print(json.dumps({name: subscriber.port for name, subscriber in subscribers.items()}), flush=True)
        flushing = asyncio.ensure_future(flush_for_ever(journal))
        # The end of stdin is the end of whoever started it.
        while (command := (await lines.readline()).decode().strip()) not in ("", "end"):
            await obey(command, subscribers)
            print("done", flush=True)
        flushing.cancel()
        for subscriber in subscribers.values():
            subscriber.down()
        await asyncio.sleep(0)  # connections are told that they are lost in the loop's next turn


if __name__ == "__main__":
    asyncio.run(serve(json.loads(sys.stdin.readline())))
