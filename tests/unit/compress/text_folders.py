"""Tiny networks of text with their tokenizers, in Hugging Face's layout."""

import pytest

WORDS = "good bad film plot a the is very not fine awful".split()
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def save_tokenizer(folder):
    transformers = pytest.importorskip("transformers")
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = {word: number for number, word in enumerate([*SPECIAL, *WORDS, "##s"])}
    transformers.BertTokenizer(vocab=vocabulary).save_pretrained(folder)


def save_bert(folder, kind="BertModel", *, tokenizer=True, **settings):
    """Save a BERT of two layers with made-up weights."""
    transformers = pytest.importorskip("transformers")
    torch = pytest.importorskip("torch")
    config = transformers.BertConfig(
        vocab_size=len(SPECIAL) + len(WORDS) + 1,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=32,
        initializer_range=0.2,  # the usual 0.02 makes so narrow a network learn slowly
        **settings,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        getattr(transformers, kind)(config).save_pretrained(folder)
    if tokenizer:
        save_tokenizer(folder)
    return folder


def reviews(count):
    """Return texts with a label that one of their words tells."""
    texts, labels = [], []
    for number in range(count):
        good = number % 3 == 0
        words = [WORDS[(number * 7 + i) % 5 + 2] for i in range(1 + number % 4)]
        words.insert(number % len(words), "good" if good else "awful")
        texts.append(" ".join(words))
        labels.append("positive" if good else "negative")
    return texts, labels
