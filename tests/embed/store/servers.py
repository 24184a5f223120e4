"""A static file server on loopback, honest or with one of several faults."""

import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Web:
    """Serves folders; counts the faults it made and remembers at which byte each download started."""

    def __init__(self):
        self.faults = 0
        self.starts = []
        self.sent = {}
        """Bytes sent, by path."""
        self.fault = None
        self.ranges = True
        self._seen = set()
        self._servers = []

    def __call__(self, folder, fault=None, *, ranges=True):
        self.fault, self.ranges = fault, ranges
        handler = type("Handler", (_Handler,), {"web": self, "folder": Path(folder), "log_message": lambda *_: None})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self._servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    def heal(self):
        self.fault = None

    def close(self):
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def strikes(self, path):
        """Tell whether to fail now: for most faults once per file of vectors, for lasting ones always."""
        if self.fault is None or not path.endswith("/c/0/0"):
            return False
        if self.fault in ("drop", "error", "truncate") and path in self._seen:
            return False
        self._seen.add(path)
        self.faults += 1
        return True


class _Handler(BaseHTTPRequestHandler):
    web: Web
    folder: Path

    def do_GET(self):
        path = self.folder / self.path.lstrip("/")
        if not path.is_file():
            self.send_error(404)
            return
        data = path.read_bytes()
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")) if self.web.ranges else None
        start = int(found[1]) if found else 0
        end = int(found[2]) + 1 if found and found[2] else len(data)
        fault = self.web.fault if self.web.strikes(self.path) else None
        if "/vectors/c/" in self.path:
            self.web.starts.append(start)
        self._answer(data, start, end, found is not None, fault)

    def do_HEAD(self):
        path = self.folder / self.path.lstrip("/")
        if not path.is_file():
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(path.stat().st_size))
        self.send_header("Last-Modified", "Sat, 21 Nov 2026 06:00:00 GMT")
        self.end_headers()

    def _answer(self, data, start, end, partial, fault):
        if fault == "error":
            self.send_error(500)
            return
        body = data[start:end]
        if fault == "flip":
            body = body[:-1] + bytes([body[-1] ^ 1])
        if fault == "endless":
            body += b"x" * 100_000
        self.web.sent[self.path] = self.web.sent.get(self.path, 0) + len(body)
        self.send_response(206 if partial else 200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Last-Modified", "Sat, 21 Nov 2026 06:00:00 GMT")
        if partial:
            self.send_header("Content-Range", f"bytes {start}-{start + len(body) - 1}/{len(data)}")
        self.end_headers()
        if fault == "stop" and len(body) > 100_000:
            body = body[: len(body) // 2] if start == 0 else b""
        self.wfile.write({"drop": b"", "truncate": body[: len(body) // 2]}.get(fault, body))
        if fault in ("drop", "truncate", "stop"):
            self.wfile.flush()
            self.connection.close()
            self.close_connection = True
