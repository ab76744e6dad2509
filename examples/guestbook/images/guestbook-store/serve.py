"""Keeps the guestbook's messages in one JSON file on its volume, for callers that know the token."""

import json
import os
import signal
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

FILE = Path(os.environ.get("DATA_DIR", "/data")) / "messages.json"
TOKEN = Path(os.environ["TOKEN_FILE"]).read_text().strip()
LOCK = threading.Lock()


def read():
    return json.loads(FILE.read_text()) if FILE.exists() else []


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/healthz":
            return self.answer(200, "ok")
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self.answer(401, "wrong token")
        with LOCK:
            return self.answer(200, read())

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self.answer(401, "wrong token")
        with LOCK:
            messages = [*read(), json.loads(body)]
            part = FILE.with_suffix(".part")
            part.write_text(json.dumps(messages))
            part.rename(FILE)
        return self.answer(201, len(messages))

    def answer(self, code, value):
        body = json.dumps(value).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main():
    server = ThreadingHTTPServer(("", 6380), Handler)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    print("store listens on 6380", flush=True)
    server.serve_forever()
    server.server_close()


main()
