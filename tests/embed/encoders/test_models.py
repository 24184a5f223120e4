"""What describe_model reads from a model's files, and the exact token ids that its card prescribes."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from tokenizers import Tokenizer

from genesem_embed.encoders.chat import render_chat
from genesem_embed.encoders.model import describe_model
from genesem_embed.errors import EncodingError, InputError, ModelUnavailableError

SYSTEM = "You are an expert."
USER = "Highly expressed genes: MBP, PLP1."


@pytest.fixture(scope="session")
def hf_tokenizer():
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained


def test_a_causal_model_is_asked_in_its_chat_template(tiny_qwen3):
    model = describe_model(str(tiny_qwen3))
    assert (model.space.style, model.space.pooling, model.space.normalise) == ("chat", "mean", False)
    assert model.space.extra == {"thinking": False}
    assert model.render(SYSTEM, USER) == (
        f"<|im_start|>system\n{SYSTEM}<|im_end|>\n<|im_start|>user\n{USER}<|im_end|>\n"
        "<|im_start|>assistant\n<think>\n\n</think>\n\n"
    )
    assert model.render(None, USER).startswith(f"<|im_start|>user\n{USER}")


def test_thinking_leaves_the_turn_open_and_is_another_space(tiny_qwen3):
    quiet, open_ = describe_model(str(tiny_qwen3)), describe_model(str(tiny_qwen3), thinking=True)
    assert open_.render(SYSTEM, USER).endswith("<|im_start|>assistant\n")
    assert quiet.space.id != open_.space.id


@pytest.mark.parametrize("thinking", [False, True], ids=["quiet", "thinking"])
@pytest.mark.parametrize("system", [None, SYSTEM], ids=["user", "system+user"])
def test_the_template_is_filled_in_as_transformers_does(tiny_qwen3, hf_tokenizer, thinking, system):
    model = describe_model(str(tiny_qwen3), thinking=thinking)
    messages = [{"role": "user", "content": USER}]
    if system:
        messages.insert(0, {"role": "system", "content": system})
    options = {"add_generation_prompt": True, "enable_thinking": thinking}
    tokenizer = hf_tokenizer(tiny_qwen3)
    assert model.render(system, USER) == tokenizer.apply_chat_template(messages, tokenize=False, **options)
    ids = tokenizer.apply_chat_template(messages, tokenize=True, return_dict=True, **options)["input_ids"]
    assert model.tokenizer.tokenise([model.render(system, USER)]).ids[0].tolist() == ids


def test_the_token_ids_are_those_that_the_cards_prescribe(tiny_qwen3, tiny_qwen3_embedding, tiny_bert):
    """Composed by hand from the marks of the cards: no template, no post-processor."""

    def ids(folder, system, **options):
        model = describe_model(str(folder), **options)
        return model.tokenizer.tokenise([model.render(system, USER)]).ids[0].tolist()

    def composed(folder, *parts):
        plain = Tokenizer.from_file(str(folder / "tokenizer.json"))
        marks = [plain.token_to_id(part) for part in parts]
        return [
            token
            for part, mark in zip(parts, marks, strict=True)
            for token in ([mark] if mark is not None else plain.encode(part, add_special_tokens=False).ids)
        ]

    start, end = "<|im_start|>", "<|im_end|>"
    turns = (start, f"system\n{SYSTEM}", end, "\n", start, f"user\n{USER}", end, "\n", start, "assistant\n")
    assert ids(tiny_qwen3, SYSTEM, thinking=True) == composed(tiny_qwen3, *turns)
    closed = ("<think>", "\n\n", "</think>", "\n\n")
    assert ids(tiny_qwen3, SYSTEM) == composed(tiny_qwen3, *turns, *closed)
    assert ids(tiny_qwen3, None, pooling="user-mean") == composed(tiny_qwen3, *turns[4:], *closed)
    assert ids(tiny_qwen3, SYSTEM, pooling="last") == composed(tiny_qwen3, *turns, *closed)
    query = f"Instruct: {SYSTEM}\nQuery:{USER}"  # the card writes no blank after the colon
    assert ids(tiny_qwen3_embedding, SYSTEM) == composed(tiny_qwen3_embedding, query, "<|endoftext|>")
    assert ids(tiny_qwen3_embedding, None) == composed(tiny_qwen3_embedding, USER, "<|endoftext|>")
    assert ids(tiny_bert, SYSTEM) == composed(tiny_bert, "[CLS]", USER, "[SEP]")


def test_an_embedding_model_gets_task_and_query_or_the_bare_document(tiny_qwen3_embedding):
    model = describe_model(str(tiny_qwen3_embedding))
    assert (model.space.style, model.space.pooling, model.space.normalise) == ("instruct", "last", True)
    assert model.space.template_sha256 == ""
    assert model.render("Find the tissue", USER) == f"Instruct: Find the tissue\nQuery:{USER}"
    assert model.render(None, USER) == USER


def test_an_embedding_text_ends_with_the_end_token_of_its_card_not_the_configs(tiny_qwen3_embedding, hf_tokenizer):
    tokenizer = hf_tokenizer(tiny_qwen3_embedding)
    config = json.loads((tiny_qwen3_embedding / "config.json").read_text())
    (ids,) = describe_model(str(tiny_qwen3_embedding)).tokenizer.tokenise([USER]).ids
    assert ids[-1] == tokenizer.convert_tokens_to_ids("<|endoftext|>") != config["eos_token_id"]
    assert ids.tolist() == tokenizer(USER)["input_ids"]


def test_an_embedding_model_without_its_end_token_is_refused(tiny_qwen3_embedding, tiny_qwen3, encoder_of, tmp_path):
    folder = shutil.copytree(tiny_qwen3_embedding, tmp_path / "broken")
    shutil.copy(tiny_qwen3 / "tokenizer.json", folder)
    with pytest.raises(ModelUnavailableError, match="puts no end token"):
        encoder_of(folder)


def test_a_bert_like_model_sees_the_user_part_alone(tiny_bert, hf_tokenizer):
    model = describe_model(str(tiny_bert))
    assert (model.space.style, model.space.pooling, model.space.max_tokens) == ("plain", "mean", 128)
    assert model.render(SYSTEM, USER) == USER
    assert model.tokenizer.tokenise([USER]).ids[0].tolist() == hf_tokenizer(tiny_bert)(USER)["input_ids"]


def test_tokens_are_counted_without_torch(tiny_qwen3):
    code = (
        "import sys\nfrom genesem_embed.encoders.model import describe_model\n"
        f"model = describe_model({str(tiny_qwen3)!r}, device='cpu')\n"
        "print(model.count_tokens([model.render('a', 'b'), 'x']).tolist())\n"
        "assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    model = describe_model(str(tiny_qwen3))
    assert json.loads(done.stdout) == [len(one) for one in model.tokenizer.tokenise([model.render("a", "b"), "x"]).ids]


def test_everything_that_decides_a_vector_is_in_the_space(tiny_qwen3, tmp_path):
    plain = describe_model(str(tiny_qwen3), device="cpu").space
    options = [
        {"pooling": "last"}, {"pooling": "user-mean"}, {"style": "plain"}, {"layer": 1}, {"normalise": True},
        {"compute_dtype": "bfloat16"}, {"quantization": "int8"}, {"quantization": "nf4"}, {"max_tokens": 100},
        {"truncation": "end"}, {"precision": "float32"}, {"thinking": True},
    ]  # fmt: skip
    ids = {describe_model(str(tiny_qwen3), device="cpu", **one).space.id for one in options}
    assert len(ids | {plain.id}) == len(options) + 1
    folder = shutil.copytree(tiny_qwen3, tmp_path / tiny_qwen3.name)
    assert describe_model(str(folder), device="cpu").space == plain
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "rms_norm_eps": 1e-3}))
    assert describe_model(str(folder), device="cpu").space != plain


def test_a_cached_snapshot_tells_its_id_and_revision(tiny_qwen3, tmp_path):
    folder = tmp_path / "models--Qwen--Qwen3-4B" / "snapshots" / ("a" * 40)
    shutil.copytree(tiny_qwen3, folder)
    space = describe_model(str(folder)).space
    assert (space.model, space.revision) == ("Qwen/Qwen3-4B", "a" * 40)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"pooling": "cls"}, "unknown pooling 'cls'; expected one of mean, last, user-mean"),
        ({"style": "loud"}, "unknown style 'loud'"),
        ({"truncation": "middle"}, "expected one of error, end, start"),
        ({"max_tokens": 4096}, "takes 1 to 1024"),
        ({"device": "tpu"}, "expected auto, cpu or cuda"),
        ({"style": "plain", "pooling": "user-mean"}, "needs the style chat"),
    ],
    ids=lambda value: "" if isinstance(value, str) else "+".join(value),
)
def test_options_that_cannot_be_met_are_refused(tiny_qwen3, options, said):
    with pytest.raises(InputError, match=said):
        describe_model(str(tiny_qwen3), **options)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("config.json", "{", "is not JSON"),
        ("config.json", '{"model_type": "x"}', "names no hidden size"),
        ("model.safetensors", None, "holds no weights"),
        ("tokenizer.json", None, "holds no tokenizer.json"),
        ("modules.json", '[{"type": "a.Dense"}]', "asks for a Dense layer"),
        ("1_Pooling/config.json", '{"pooling_mode_cls_token": true}', "supported are mean and last token"),
    ],
    ids=["broken", "no-size", "no-weights", "no-tokenizer", "dense", "cls"],
)
def test_files_that_make_no_model_are_named(tiny_bert, tmp_path, name, content, said):
    folder = shutil.copytree(tiny_bert, tmp_path / "model")
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_text(content)
    with pytest.raises(ModelUnavailableError, match=said):
        describe_model(str(folder))


@pytest.mark.parametrize("rule", ["end", "start"])
def test_a_long_text_is_cut_by_rule_and_keeps_its_marks(tiny_bert, encoder_of, collect, rule):
    encoder = encoder_of(tiny_bert, max_tokens=10, truncation=rule)
    text = "MBP PLP1 MOBP GFAP SNAP25 NRGN CAMK2A CCK ENC1 TF CNP VIM"
    tokenizer = describe_model(str(tiny_bert), max_tokens=10, truncation=rule).tokenizer
    whole = describe_model(str(tiny_bert)).tokenizer.tokenise([text]).ids[0]
    expected = [*whole[:9], whole[-1]] if rule == "end" else [whole[0], *whole[-9:]]
    assert tokenizer.tokenise([text]).ids[0].tolist() == expected
    assert np.isfinite(collect(encoder, [text])).all()
    with pytest.raises(EncodingError, match="more than the 10 of this space"):
        collect(encoder_of(tiny_bert, max_tokens=10), [text])


def test_a_template_that_asks_for_the_date_makes_the_same_text_every_day():
    template = "{{ strftime_now('%d %b %Y') }} {{ messages[-1]['content'] }}"
    assert render_chat(template, {}, None, "CD3E", thinking=False) == "26 Jul 2024 CD3E"


@pytest.mark.parametrize("layer", [99, -9])
def test_a_layer_that_the_model_has_not_is_refused_before_it_is_loaded(tiny_qwen3, layer):
    with pytest.raises(
        InputError, match=rf"--layer {layer}: this model has \d+ layers; expected 0 to \d+, or -1 to -\d+"
    ):
        describe_model(str(tiny_qwen3), layer=layer)
