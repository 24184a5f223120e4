"""Google's and Azure's storage and the Hugging Face hub on loopback, as far as obstore speaks to them."""

import base64
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

DATE = "Sat, 21 Nov 2026 06:00:00 GMT"
ISO_DATE = "2026-11-21T06:00:00.000Z"


def serve(handler, **facts):
    """Start a server of such handlers on loopback; return it and its address."""
    made = type("Handler", (handler,), {"log_message": lambda *_: None, **facts})
    server = ThreadingHTTPServer(("127.0.0.1", 0), made)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, f"http://127.0.0.1:{server.server_port}"


class _Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Length", headers.pop("length", len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def send_part(self, data):
        """Answer with an object, or the range of it that was asked for."""
        about = {"ETag": f'"{len(data)}"', "Last_Modified": DATE, "x_ms_blob_type": "BlockBlob"}
        if self.command == "HEAD":
            self.answer(200, length=len(data), **about)
        elif found := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")):
            start, end = int(found[1]), min(int(found[2] or len(data) - 1), len(data) - 1)
            self.answer(206, data[start : end + 1], Content_Range=f"bytes {start}-{end}/{len(data)}", **about)
        else:
            self.answer(200, data, **about)


class _Bucket(_Answering):
    """What both services share: objects by name, and parts of objects on their way."""

    objects: dict
    parts: dict
    root: str

    def do_GET(self):
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        name = unquote(url.path).removeprefix(self.root).lstrip("/")
        if not unquote(url.path).startswith(self.root):
            self.answer(404)
        elif not name:
            self.answer(200, self.listing(*self.found(query)).encode(), Content_Type="application/xml")
        elif self.command in ("GET", "HEAD"):
            self.send_part(self.objects[name]) if name in self.objects else self.answer(404)
        else:
            self.change(name, query, body)

    do_PUT = do_POST = do_HEAD = do_GET

    def found(self, query):
        """Return the names that a listing gives, and the folders that it sums up."""
        prefix, cut = query.get("prefix", ""), query.get("delimiter")
        names = sorted(name for name in self.objects if name.startswith(prefix))
        if not cut:
            return names, []
        folders = {prefix + name[len(prefix) :].split(cut)[0] + cut for name in names if cut in name[len(prefix) :]}
        return [name for name in names if cut not in name[len(prefix) :]], sorted(folders)


class Google(_Bucket):
    """The XML interface of Google Cloud Storage."""

    root = "/bucket"

    def change(self, name, query, body):
        if "uploads" in query:
            text = f"<InitiateMultipartUploadResult><UploadId>{name}</UploadId></InitiateMultipartUploadResult>"
            self.answer(200, text.encode())
        elif "partNumber" in query:
            self.parts[name, int(query["partNumber"])] = body
            self.answer(200, ETag='"part"')
        else:
            done = "uploadId" in query
            numbers = sorted(number for whole, number in self.parts if whole == name)
            self.objects[name] = b"".join(self.parts[name, number] for number in numbers) if done else body
            text = '<CompleteMultipartUploadResult><ETag>"whole"</ETag></CompleteMultipartUploadResult>'
            self.answer(200, text.encode() if done else b"", ETag='"whole"')

    def listing(self, names, folders):
        about = f"<LastModified>{ISO_DATE}</LastModified><ETag>x</ETag>"
        found = [
            f"<Contents><Key>{escape(name)}</Key><Size>{len(self.objects[name])}</Size>{about}</Contents>"
            for name in names
        ]
        found += [f"<CommonPrefixes><Prefix>{escape(name)}</Prefix></CommonPrefixes>" for name in folders]
        return f"<ListBucketResult>{''.join(found)}</ListBucketResult>"


class Azure(_Bucket):
    """Azure's Blob Storage as its emulator serves it."""

    root = "/devstoreaccount1/container"

    def change(self, name, query, body):
        if query.get("comp") == "block":
            self.parts[name, query["blockid"]] = body
        elif query.get("comp") == "blocklist":
            ids = re.findall(r"<Uncommitted>(.*?)</Uncommitted>", body.decode())
            self.objects[name] = b"".join(self.parts[name, block] for block in ids)
        else:
            assert base64.b64decode(self.headers["Authorization"].rpartition(":")[2])
            self.objects[name] = body
        self.answer(201, ETag='"whole"')

    def listing(self, names, folders):
        found = [
            f"<Blob><Name>{escape(name)}</Name><Properties><Last-Modified>{DATE}</Last-Modified><Etag>x</Etag>"
            f"<Content-Length>{len(self.objects[name])}</Content-Length><Content-Type>x</Content-Type></Properties></Blob>"
            for name in names
        ]
        found += [f"<BlobPrefix><Name>{escape(name)}</Name></BlobPrefix>" for name in folders]
        return f"<EnumerationResults><Blobs>{''.join(found)}</Blobs><NextMarker/></EnumerationResults>"


class Hub(_Answering):
    """The addresses of files of a Hugging Face dataset; large files are at another address, as theirs are."""

    folder: object
    content: str
    """Address of the server of large files."""
    revision: str
    asked: list
    """Path and token of every request."""

    def do_GET(self):
        self.asked.append((self.path, self.headers.get("Authorization")))
        name = self.path.removeprefix(f"/datasets/lab/vectors/resolve/{self.revision}/store/")
        path = self.folder / name
        if self.headers.get("Authorization") != "Bearer secret":
            self.answer(401)
        elif name == self.path or not path.is_file():
            self.answer(404)
        elif path.suffix == ".json":
            self.send_part(path.read_bytes())
        else:
            self.answer(302, Location=f"{self.content}/{name}")

    do_HEAD = do_GET


class Content(_Answering):
    """The server of large files, which knows no token."""

    folder: object
    asked: list

    def do_GET(self):
        self.asked.append((self.path, self.headers.get("Authorization")))
        self.send_part((self.folder / self.path.lstrip("/")).read_bytes())

    do_HEAD = do_GET
