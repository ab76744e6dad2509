"""The guestbook's front: reads and writes messages through the store service, and logs each request to a shared file."""

import html
import json
import os
import signal
import threading
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

STORE = os.environ["STORE_URL"]
TITLE = os.environ.get("TITLE", "Guestbook")
TOKEN = os.environ.get("STORE_TOKEN", "")
LOG = os.environ.get("ACCESS_LOG", "/dev/stdout")


def store(method, body=None):
    request = urllib.request.Request(
        STORE + "/messages", data=body, method=method, headers={"Authorization": f"Bearer {TOKEN}"}
    )
    with urllib.request.urlopen(request, timeout=5) as answer:
        return json.load(answer)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/healthz":
            return self.answer(200, "ok\n", "text/plain")
        if self.path == "/version":
            return self.answer(200, os.environ["VERSION"] + "\n", "text/plain")
        try:
            messages = store("GET")
        except OSError as error:
            return self.answer(502, f"the store does not answer: {error}\n", "text/plain")
        items = "".join(f"<li>{html.escape(m)}</li>" for m in messages)
        form = '<form method="post"><input name="message"><button>Sign</button></form>'
        return self.answer(200, f"<h1>{html.escape(TITLE)}</h1><ul>{items}</ul>{form}\n", "text/html")

    def do_POST(self):
        form = urllib.parse.parse_qs(self.rfile.read(int(self.headers.get("Content-Length", 0))).decode())
        try:
            store("POST", json.dumps(form.get("message", [""])[0]).encode())
        except OSError as error:
            return self.answer(502, f"the store does not answer: {error}\n", "text/plain")
        self.send_response(303)
        self.send_header("Location", "/")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def answer(self, code, text, kind):
        body = text.encode()
        self.send_response(code)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *args):
        with open(LOG, "a") as log:
            log.write(f"{self.client_address[0]} {format % args}\n")


def main():
    server = ThreadingHTTPServer(("", int(os.environ.get("PORT", "8080"))), Handler)
    server.daemon_threads = False  # requests in flight end before the process does
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    print(f"guestbook version {os.environ['VERSION']} listens on {server.server_port}", flush=True)
    server.serve_forever()
    server.server_close()


main()
