"""Small slides in every form the readers take, and a server that can break off, refuse and resume."""

import http.server
import re
import threading

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import sparse


@pytest.fixture
def make_slide():
    """Return a function that makes a small slide of raw counts."""

    def make(n_spots=6, n_genes=4, seed=0):
        rng = np.random.default_rng(seed)
        counts = rng.poisson(2.0, (n_spots, n_genes)).astype(np.float32)
        counts[:, 0] += 1
        return ad.AnnData(
            sparse.csr_matrix(counts),
            obs=pd.DataFrame(index=[f"spot{i}" for i in range(n_spots)]),
            var=pd.DataFrame(index=[f"GENE{i}" for i in range(n_genes)]),
            obsm={"spatial": rng.uniform(0, 10, (n_spots, 2))},
        )

    return make


@pytest.fixture
def write_10x_h5():
    """Return a function that writes counts (gene, spot) as Cell Ranger 3 HDF5."""

    def write(path, counts, barcodes, symbols):
        matrix = sparse.csc_matrix(counts)
        with h5py.File(path, "w") as opened:
            group = opened.create_group("matrix")
            group["shape"] = np.array(matrix.shape, dtype=np.int32)
            group["data"], group["indices"], group["indptr"] = matrix.data, matrix.indices, matrix.indptr
            group["barcodes"] = np.array(barcodes, dtype="S")
            features = group.create_group("features")
            features["id"] = np.array([f"ENSG{i:011d}" for i in range(len(symbols))], dtype="S")
            features["name"] = np.array(symbols, dtype="S")
            features["feature_type"] = np.array(["Gene Expression"] * len(symbols), dtype="S")
            features["genome"] = np.array(["GRCh38"] * len(symbols), dtype="S")
            features["_all_tag_keys"] = np.array(["genome"], dtype="S")

    return write


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        plan = self.server.plan
        body = plan["files"].get(self.path)
        if body is None:
            self.send_error(404)
            return
        start = self._start(plan, len(body))
        if start >= len(body):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(body)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        self.send_header("Content-Length", str(len(body) - start))
        if plan["etag"]:
            self.send_header("ETag", plan["etag"])
        self.end_headers()
        rest = body[start:]
        if plan["break_after"] is not None:
            rest = rest[: plan["break_after"]]
            plan["break_after"] = None
            self.close_connection = True
        self.wfile.write(rest)
        plan["served"].append(len(rest))

    def _start(self, plan, size):
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if wanted is None or not plan["ranges"] or self.headers.get("If-Range") != plan["etag"]:
            return 0
        return int(wanted[1])

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server():
    """Return a running local server: its ``plan`` says what to serve, ``url(path)`` gives the link."""
    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    running.daemon_threads = False  # so that closing waits for them
    running.plan = {"files": {}, "etag": '"one"', "break_after": None, "ranges": True, "served": []}
    running.url = lambda path: f"http://127.0.0.1:{running.server_port}{path}"
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield running
    running.shutdown()
    thread.join()
    running.server_close()
