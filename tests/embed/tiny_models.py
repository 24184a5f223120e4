"""Tiny random models with trained tokenizers, saved as the hub's are; a function fills a folder and returns it."""

import json
import random

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

SYSTEM = (
    "You are an expert in bioinformatics. Represent the biological state of a cell characterized by the following "
    "highly expressed genes. Focus on capturing the functional essence relevant for spatial domain identification."
)
GENES = """
    MBP PLP1 MOBP GFAP SNAP25 NRGN CAMK2A CCK ENC1 HPCAL1 CUX2 RORB PCP4 KRT17 TMSB10 FTH1 MT-CO1 MT-CO3 MT-ND4 ACTB
    EEF1A1 TUBA1B CALM2 UCHL1 STMN2 CLDND1 CRYAB CNP TF QDPR SPARC CST3 AQP4 VIM APOE HOPX FABP7 TRABD2A
""".split()  # noqa: SIM905 - forty quoted names read worse
MARKS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>")

# What Qwen3's template says of conversations without tools, in our own words.
CHAT_TEMPLATE = """\
{%- for message in messages %}
    {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\\n\\n</think>\\n\\n' }}
    {%- endif %}
{%- endif %}"""

_QWEN_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def gene_users(n, *, n_genes=20, seed=0, n_leads=None):
    """Return `n` user parts that list genes; with `n_leads`, their first halves are one of so many lists."""
    draw = random.Random(seed)
    leads = [draw.sample(GENES, n_genes // 2) for _ in range(n_leads or 0)]
    users = []
    for _ in range(n):
        lead = draw.choice(leads) if leads else []
        rest = draw.sample([gene for gene in GENES if gene not in lead], n_genes - len(lead))
        users.append(f"Highly expressed genes: {', '.join(lead + rest)}.")
    return users


def tiny_qwen3(
    folder, *, hidden=64, layers=2, heads=4, kv_heads=2, vocab=600, seed=0, dtype="float32", words=(), **shape
):
    """Build a random Qwen3 causal language model with a chat template; its tokenizer knows `words`."""
    tokenizer = _qwen_tokenizer(vocab, words)
    _save_qwen(folder, tokenizer, hidden, layers, heads, kv_heads, seed, dtype, **shape)
    return folder


def tiny_qwen3_embedding(folder, *, hidden=64, layers=2, heads=4, kv_heads=2, vocab=600, seed=0, padding_side="left"):
    """Build a random Qwen3-Embedding model: last token, end token appended, sentence-transformers files."""
    tokenizer = _qwen_tokenizer(vocab)
    end = ("<|endoftext|>", tokenizer.token_to_id("<|endoftext|>"))
    tokenizer.post_processor = processors.Sequence(
        [
            processors.ByteLevel(trim_offsets=False, use_regex=False, add_prefix_space=False),
            processors.TemplateProcessing(single="$A <|endoftext|>", pair="$A $B <|endoftext|>", special_tokens=[end]),
        ]
    )
    _save_qwen(folder, tokenizer, hidden, layers, heads, kv_heads, seed, "float32", padding_side=padding_side)
    prompts = {"query": "Instruct: Find what is alike\nQuery:", "document": ""}
    _sentence_transformers_files(folder, "lasttoken", hidden, {"prompts": prompts, "default_prompt_name": None})
    return folder


def tiny_bert(folder, *, hidden=64, layers=2, heads=4, seed=0, normalise=True):
    """Build a random BERT-like sentence encoder: WordPiece, mean over all tokens."""
    import torch
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    marks = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer.train_from_iterator(_corpus(), trainers.WordPieceTrainer(vocab_size=500, special_tokens=marks))
    ends = [(mark, tokenizer.token_to_id(mark)) for mark in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=ends
    )
    names = dict(zip(("pad", "unk", "cls", "sep", "mask"), marks, strict=True))
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=128, **{f"{name}_token": mark for name, mark in names.items()}
    ).save_pretrained(folder)
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=2 * hidden,
        max_position_embeddings=128,
        pad_token_id=0,
    )
    BertModel(config).save_pretrained(folder)
    _sentence_transformers_files(folder, "mean_tokens", hidden, {}, normalise=normalise)
    return folder


def _qwen_tokenizer(vocab, words=()):
    """Return a byte-level BPE in Qwen's shape, whose marks have the ids after all words, as Qwen's have."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_QWEN_WORDS), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        [*_corpus(), *words], trainers.BpeTrainer(vocab_size=vocab, initial_alphabet=alphabet)
    )
    for mark in MARKS:
        tokenizer.add_tokens([AddedToken(mark, special=mark.startswith("<|"), normalized=False)])
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False, use_regex=False, add_prefix_space=False)
    return tokenizer


def _corpus():
    return [SYSTEM, *(SYSTEM.split(". ")), "system user assistant Instruct: Query:", *gene_users(200, seed=1)]


def _save_qwen(folder, tokenizer, hidden, layers, heads, kv_heads, seed, dtype, padding_side="right", **shape):
    import torch
    from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        padding_side=padding_side,
        model_max_length=131072,
        chat_template=CHAT_TEMPLATE,
    ).save_pretrained(folder)
    torch.manual_seed(seed)
    config = Qwen3Config(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=hidden,
        intermediate_size=shape.get("intermediate", 3 * hidden),
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        head_dim=shape.get("head_dim", hidden // heads),
        max_position_embeddings=1024,
        tie_word_embeddings=True,
        eos_token_id=tokenizer.token_to_id("<|im_end|>"),
        pad_token_id=tokenizer.token_to_id("<|endoftext|>"),
    )
    Qwen3ForCausalLM(config).to(getattr(torch, dtype)).save_pretrained(folder)


def _sentence_transformers_files(folder, mode, hidden, settings, *, normalise=True):
    """Write the files by which sentence-transformers knows a model."""
    kinds = ["Transformer", "Pooling", *(["Normalize"] if normalise else [])]
    modules = [
        {
            "idx": row,
            "name": str(row),
            "path": "" if row == 0 else f"{row}_{kind}",
            "type": f"sentence_transformers.models.{kind}",
        }
        for row, kind in enumerate(kinds)
    ]
    modes = ("cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens", "lasttoken")
    pooling = {f"pooling_mode_{name}": name == mode for name in modes}
    files = {
        "modules.json": modules,
        "1_Pooling/config.json": {"word_embedding_dimension": hidden, **pooling, "include_prompt": True},
        "config_sentence_transformers.json": {"__version__": {}, **settings, "similarity_fn_name": "cosine"},
    }
    for name, value in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(json.dumps(value, indent=2), "utf-8")
    for kind in kinds[2:]:
        (folder / f"2_{kind}").mkdir(exist_ok=True)
