"""A server on loopback that speaks the embeddings API, well and badly."""

import hashlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from genesem_embed.encoders import server as server_module
from genesem_embed.encoders.openai import ServerEncoder, describe_server
from genesem_embed.encoders.protocol import Encoder
from genesem_embed.errors import EncodingError, InputError, ModelUnavailableError

DIM = 6


def vector(text):
    return [byte / 255 for byte in hashlib.sha256(text.encode()).digest()[:DIM]]


class Fake(ThreadingHTTPServer):
    """Answers from `faults` first (status, headers, body), then as asked."""

    def __init__(self):
        self.faults, self.asked, self.busy, self.most = [], [], 0, 0
        self.models = [{"id": "fake-embedder", "root": "org/fake", "max_model_len": 512, "created": 1}]
        self.bad, self.keys, self.pause, self.lock = set(), set(), 0.0, threading.Lock()
        self.info = None
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.server_port}/v1"


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_GET(self):
        if self.path == "/v1/models":
            self.reply(200, {"object": "list", "data": self.server.models})
        elif self.path == "/info" and self.server.info:
            self.reply(200, self.server.info)
        else:
            self.reply(404, {})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            self.server.asked.append(body["input"])
            self.server.keys.add(self.headers["Authorization"])
            self.server.busy += 1
            self.server.most = max(self.server.most, self.server.busy)
            fault = self.server.faults.pop(0) if self.server.faults else None
        time.sleep(self.server.pause)
        with self.server.lock:
            self.server.busy -= 1
        if fault == "hang up":
            self.close_connection = True
            return
        if fault == "fall asleep":
            time.sleep(0.6)
            self.close_connection = True
            return
        if fault:
            self.reply(*fault)
            return
        if self.server.bad & set(body["input"]):
            self.reply(413, {"error": "input too long"})
            return
        data = [{"index": row, "embedding": vector(text)} for row, text in enumerate(body["input"])]
        usage = {"prompt_tokens": sum(len(text.split()) for text in body["input"])}
        self.reply(200, {"model": body["model"], "data": data[::-1], "usage": usage})

    def reply(self, status, body, headers=()):
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture
def fake(monkeypatch):
    monkeypatch.setattr(server_module, "_FIRST_PAUSE", 0.001)
    with Fake() as found:
        thread = threading.Thread(target=found.serve_forever, daemon=True)
        thread.start()
        yield found
        found.shutdown()


TEXTS = [f"gene {row}" for row in range(100)]


def test_vectors_come_for_their_texts(fake, collect):
    encoder = ServerEncoder(describe_server(fake.endpoint))
    assert isinstance(encoder, Encoder)
    assert (encoder.space.engine, encoder.space.model, encoder.space.dim) == ("openai", "fake-embedder", DIM)
    np.testing.assert_allclose(collect(encoder, TEXTS), [vector(text) for text in TEXTS], rtol=1e-6)
    assert encoder.space.max_tokens == 512


def test_another_model_behind_the_same_name_is_another_space(fake):
    before = describe_server(fake.endpoint).space
    fake.models[0]["created"] = 2
    assert describe_server(fake.endpoint).space == before
    fake.models[0]["root"] = "org/other"
    assert describe_server(fake.endpoint).space.id != before.id


def test_prompts_are_rendered_for_an_embedding_model(fake):
    assert describe_server(fake.endpoint).render("task", "text") == "Instruct: task\nQuery:text"
    assert describe_server(fake.endpoint, style="plain").render("task", "text") == "text"
    assert describe_server(fake.endpoint).count_tokens(["a" * 35]).tolist() == [10]
    with pytest.raises(InputError, match="expected auto, instruct or plain"):
        describe_server(fake.endpoint, style="chat")


@pytest.mark.parametrize(
    "fault",
    [
        "hang up",
        (500, {"error": "cuda"}),
        (429, {}, [("Retry-After", "0")]),
        (503, {}, [("Retry-After", "soon")]),
        (200, b"<html>"),
    ],
    ids=["hang-up", "500", "429", "503", "no-json"],
)
def test_faults_that_pass_are_waited_out(fake, collect, fault):
    model = describe_server(fake.endpoint)
    fake.faults += [fault, fault]
    np.testing.assert_allclose(collect(ServerEncoder(model), TEXTS), [vector(text) for text in TEXTS], rtol=1e-6)


def test_a_server_that_falls_asleep_is_asked_again(fake, collect, monkeypatch):
    model = describe_server(fake.endpoint)
    monkeypatch.setattr(server_module, "_TIMEOUT", 0.2)
    fake.faults.append("fall asleep")
    np.testing.assert_allclose(
        collect(ServerEncoder(model), TEXTS[:5]), [vector(text) for text in TEXTS[:5]], rtol=1e-6
    )
    assert fake.asked[-2:] == [TEXTS[:5]] * 2


def test_a_busy_server_is_left_alone_as_long_as_it_asks(fake, collect, monkeypatch):
    paused = []
    model = describe_server(fake.endpoint)
    monkeypatch.setattr(server_module.time, "sleep", paused.append)
    fake.faults += [(429, {}, [("Retry-After", "7")]), (429, {}, [("Retry-After", "9999")]), (500, {}), (500, {})]
    collect(ServerEncoder(model), TEXTS[:5])
    waited = [pause for pause in paused if pause]
    assert waited[:2] == [7.0, server_module._LONGEST_PAUSE]
    assert waited[3] == 2 * waited[2]  # each pause twice the one before


def test_as_many_requests_as_asked_for_are_under_way_at_once(fake, collect):
    model = describe_server(fake.endpoint)
    texts = [f"gene {row}" for row in range(400)]
    fake.pause, fake.most = 0.1, 0
    found = collect(ServerEncoder(model, concurrency=3), texts)
    assert fake.most == 3
    np.testing.assert_allclose(found, [vector(text) for text in texts], rtol=1e-6)
    assert max(map(len, fake.asked)) <= 32


def test_the_key_is_sent_and_is_no_part_of_the_space(fake, monkeypatch):
    without = describe_server(fake.endpoint).space
    assert fake.keys == {None}
    monkeypatch.setenv("OPENAI_API_KEY", "s3cret")
    with_key = describe_server(fake.endpoint).space
    assert "Bearer s3cret" in fake.keys
    assert with_key == without


def test_what_text_embeddings_inference_says_of_its_model_is_in_the_space(fake):
    fake.models = []
    fake.info = {
        "model_id": "thenlper/gte-base",
        "model_sha": "c" * 40,
        "model_dtype": "float16",
        "model_type": {"embedding": {"pooling": "mean"}},
        "max_concurrent_requests": 512,
        "max_input_length": 384,
        "auto_truncate": False,
        "version": "1.8.0",
    }
    space = describe_server(fake.endpoint).space
    assert (space.model, space.revision, space.pooling) == ("thenlper/gte-base", "c" * 40, "mean")
    assert (space.max_tokens, space.truncation) == (384, "error")
    fake.info["version"] = "1.9.0"
    assert describe_server(fake.endpoint).space == space
    fake.info["auto_truncate"] = True  # it cuts long texts without a word
    assert describe_server(fake.endpoint).space.truncation == "end"
    fake.info["model_dtype"] = "float32"
    assert describe_server(fake.endpoint).space.id != space.id


def test_a_refused_text_is_named_and_the_others_come(fake):
    model = describe_server(fake.endpoint)
    fake.bad = {TEXTS[37]}
    seen = []
    batches = (seen.extend(batch.rows) for batch in ServerEncoder(model).encode(TEXTS))
    with pytest.raises(EncodingError, match=r"^1 texts .*text 37 \('gene 37'\) was refused by the server: 413"):
        list(batches)
    assert sorted(seen) == [row for row in range(100) if row != 37]


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ((401, {"error": "no key"}), "does not answer .status 401"),
        ((200, {"data": "?"}), "gave no embeddings"),
        ((200, {"data": []}), "answered for 0 texts"),
        ((200, {"model": "x", "data": [{"index": 0, "embedding": [1.0] * DIM}]}), "by x; asked were"),
        ((200, {"data": [{"index": 0, "embedding": [1.0]}]}), r"shape \(1, 1\), expected \(1, 6\)"),
    ],
    ids=["401", "no-list", "too-few", "other-model", "other-size"],
)
def test_answers_that_are_no_vectors_of_the_space_end_the_run(fake, fault, said):
    model = describe_server(fake.endpoint)
    fake.faults.append(fault)
    with pytest.raises(EncodingError, match=said):
        list(ServerEncoder(model).encode(["one"]))


def test_a_server_that_stays_down_is_given_up_on(fake):
    model = describe_server(fake.endpoint)
    fake.faults += [(500, {})] * 20
    with pytest.raises(EncodingError, match=r"does not answer \(status 500"):
        list(ServerEncoder(model).encode(["one"]))
    assert len(fake.faults) == 20 - 6


def test_a_vector_that_is_not_finite_is_named(fake):
    model = describe_server(fake.endpoint)
    fake.faults.append((200, b'{"data": [{"index": 0, "embedding": [NaN, 0, 0, 0, 0, 0]}]}'))
    with pytest.raises(EncodingError, match="not finite"):
        list(ServerEncoder(model).encode(["one"]))


def test_a_vector_beyond_the_stored_precision_costs_no_other(fake):
    model = describe_server(fake.endpoint)
    assert model.space.precision == "float16"
    huge = {"index": 0, "embedding": [1e5, 0, 0, 0, 0, 0]}
    fake.faults.append((200, {"data": [huge, {"index": 1, "embedding": vector("two")}], "usage": {"prompt_tokens": 2}}))
    came = []
    batches = (came.extend(batch.rows) for batch in ServerEncoder(model).encode(["one", "two"]))
    with pytest.raises(EncodingError, match=r"text 0 .* not finite in float16"):
        list(batches)
    assert came == [1]


def test_no_server_and_no_such_model_are_told(fake):
    with pytest.raises(ModelUnavailableError, match="check --endpoint"):
        describe_server("http://127.0.0.1:9/v1")
    with pytest.raises(ModelUnavailableError, match="does not run the model other; it runs fake-embedder"):
        describe_server(fake.endpoint, model="other")


def test_a_slide_is_built_through_the_server(fake, demo_slide, tmp_path):
    from genesem_embed import build as steps
    from genesem_embed.store import Store
    from genesem_embed.texts import RecipeOptions

    model = describe_server(fake.endpoint, precision="float32")
    slide, options = demo_slide[:30].copy(), RecipeOptions(top_genes=3)
    with Store.open(tmp_path / "s", mode="a") as store:
        report = steps.build(slide, "spot-symbols", options, model, store, load_encoder=ServerEncoder)
        (collection,) = store.collections()
        work = steps.plan(slide, "spot-symbols", options, model, store)
        np.testing.assert_array_equal(store.matrix(collection), np.float32([vector(text) for text in work.texts]))
    assert (report.n_left, len(work.todo)) == (0, 0)
    assert collection.space.engine == "openai"
