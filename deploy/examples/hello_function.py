#!/usr/bin/env python3
"""A function for trying things out: prints each event that it gets, and answers 200.

    deploy/examples/hello_function.py [PORT]      8080; 0 = a free one, which is printed
"""

import http.server
import json
import sys


class Hello(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            text = json.dumps(json.loads(body), indent=2, ensure_ascii=False)
        except ValueError:
            text = repr(body)
        print(f"function: got an event (attempt {self.headers.get('Event-Gateway-Attempt', '-')})\n{text}",
              flush=True)
        answer = json.dumps({"message": "hello"}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_arguments):
        pass


def main():
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8080
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Hello)
    print(f"function: listening on http://127.0.0.1:{server.server_address[1]}/", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
