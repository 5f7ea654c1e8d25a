"""HTTP functions for tests: they keep what they got and answer as they are told."""

import asyncio
import http.server
import json
import socket
import threading

import hypercorn
import hypercorn.asyncio


class Call:
    """One request that a function got."""

    def __init__(self, method, path, headers, body):
        self.method = method
        self.path = path
        self.headers = headers
        self.body = body

    def json(self):
        return json.loads(self.body)


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024
    allow_reuse_address = True


class Function:
    """answer: a callable (call) -> (status, headers, body), or None for 200 without a body."""

    def __init__(self, answer=None, port=0):
        self.calls = []
        self.answer = answer or (lambda call: (200, {}, b""))
        self.lock = threading.Lock()
        function = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def handle_any(self):
                size = int(self.headers.get("Content-Length", 0))
                call = Call(self.command, self.path, dict(self.headers.items()), self.rfile.read(size))
                with function.lock:
                    function.calls.append(call)
                status, headers, body = function.answer(call)
                if status is None:  # cut off
                    self.close_connection = True
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_OPTIONS = handle_any

            def log_message(self, *_arguments):
                pass

            def setup(self):
                super().setup()
                self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

            def handle(self):
                try:
                    super().handle()
                except (ConnectionError, OSError):
                    pass

        self.server = _Server(("127.0.0.1", port), Handler)
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def received(self):
        with self.lock:
            return list(self.calls)

    def count(self):
        with self.lock:
            return len(self.calls)

    def clear(self):
        with self.lock:
            self.calls.clear()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class RawFunction:
    """A function that answers with bytes of its own: script(connection, body) has the whole connection after each request."""

    def __init__(self, script):
        self.script = script
        self.connections = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with connection:
            try:
                while (body := read_request(connection)) is not None:
                    if self.script(connection, body) is False:
                        return
            except OSError:
                pass

    def close(self):
        self.listener.close()


def read_request(connection):
    """The body of the next request; None when the peer has closed."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(65536)
        if not part:
            return None
        data += part
    head, body = data.split(b"\r\n\r\n", 1)
    size = 0
    for line in head.split(b"\r\n")[1:]:
        name, value = line.split(b":", 1)
        if name.lower() == b"content-length":
            size = int(value)
    while len(body) < size:
        body += connection.recv(65536)
    return body


class Http2Function:
    """A real HTTP/2 server (hypercorn), with TLS when there is a certificate, that says by which protocol a call came."""

    def __init__(self, holds=False, certificate=None, port=0):
        """holds: answers only when release() is called."""
        self.holds = holds
        self.inside = 0
        self.cancelled = 0
        self.peers = set()
        self.loop = asyncio.new_event_loop()
        listener = socket.create_server(("127.0.0.1", port))
        self.port = listener.getsockname()[1]
        self.url = f"http{'s' if certificate else ''}://127.0.0.1:{self.port}/"
        self.config = hypercorn.Config()
        self.config.graceful_timeout = self.config.shutdown_timeout = 0.1
        if certificate:
            self.config.certfile, self.config.keyfile = certificate
        self.config.bind = [f"fd://{listener.detach()}"]
        self.config.accesslog = self.config.errorlog = None
        self.stop = asyncio.Event()
        self.released = asyncio.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(
            hypercorn.asyncio.serve(self._app, self.config, shutdown_trigger=self.stop.wait))

    async def _body(self, receive):
        body = b""
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            body += message.get("body", b"")
            if not message.get("more_body"):
                return body

    async def _hold(self, receive):
        """False when the caller has left meanwhile."""
        left, released = asyncio.ensure_future(receive()), asyncio.ensure_future(self.released.wait())
        await asyncio.wait([left, released], return_when=asyncio.FIRST_COMPLETED)
        stays = released.done()
        left.cancel()
        released.cancel()
        return stays

    def release(self):
        self.loop.call_soon_threadsafe(self.released.set)

    async def _app(self, scope, receive, send):
        if scope["type"] != "http":
            return
        self.peers.add(tuple(scope["client"]))
        body = await self._body(receive)
        self.inside += 1
        stays = await self._hold(receive) if self.holds else True
        self.inside -= 1
        if not stays:
            self.cancelled += 1
            return
        answer = json.dumps({"statusCode": 200, "headers": {"X-Version": scope["http_version"]},
                             "body": f"{len(body)} bytes"}).encode()
        await send({"type": "http.response.start", "status": 200,
                    "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": answer})

    def close(self):
        self.loop.call_soon_threadsafe(self.stop.set)
        self.thread.join(30)
