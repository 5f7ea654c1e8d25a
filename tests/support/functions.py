"""HTTP functions for tests: they keep what they got and answer as they are told."""

import http.server
import json
import socket
import threading


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
