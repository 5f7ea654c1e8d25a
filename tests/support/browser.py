"""A real headless Chromium: it opens a page of our own, whose script does what the test says and posts what came of it."""

import http.server
import json
import os
import queue
import shutil
import signal
import subprocess
import threading

PAGE = """<!doctype html><meta charset="utf-8"><script>
const steps = %s;
async function run(step) {
    try {
        const answer = await fetch(step.url, step.options);
        const headers = Object.fromEntries(answer.headers.entries());
        return {status: answer.status, body: await answer.text(), headers};
    } catch (error) {
        return {error: error.name};
    }
}
(async () => {
    const results = [];
    for (const step of steps) {
        results.push(await run(step));
    }
    await fetch('/results', {method: 'POST', body: JSON.stringify(results)});
})();
</script>"""


class Browser:
    def __init__(self, profile):
        self.executable = shutil.which("chromium")
        assert self.executable, "chromium is not installed (deploy/packages test)"
        self.profile = profile
        self.results = queue.Queue()
        self.steps = []
        browser = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                page = (PAGE % json.dumps(browser.steps)).encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.send_header("Set-Cookie", "visitor=ada; SameSite=Lax")
                self.end_headers()
                self.wfile.write(page if self.path == "/" else b"")

            def do_POST(self):
                browser.results.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self.origin = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def fetch(self, steps, host="127.0.0.1", timeout_s=120):
        """What fetch(url, options) gave for each step: {status, body, headers}, or {error} where the browser kept it back."""
        self.steps = steps
        command = [self.executable, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                   "--disable-background-networking", "--disable-component-update", "--disable-sync",
                   "--disable-dev-shm-usage", "--remote-debugging-port=0", f"--user-data-dir={self.profile}",
                   f"http://{host}:{self.port}/"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        try:
            return self.results.get(timeout=timeout_s)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(30)

    def close(self):
        self.server.shutdown()
        self.server.server_close()
