"""Makes a small model for a real vLLM: a Llama with random weights, and a tokenizer trained on one sentence.

usage: make-model.py tiny|wide FOLDER
The same weights every time. What it answers makes no sense; how an engine queues, batches and dies does not depend on it.
`tiny` is quick. `wide` takes three quarters of a MiB for each token of a prompt while it is read, as models do that are
large enough to matter: an engine whose share of memory leaves no room for that dies under load.
"""

import string
import sys
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

SHAPES = {
    "tiny": {
        "hidden_size": 128,
        "intermediate_size": 256,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 4,
    },
    # Next to no arithmetic beside the memory.
    "wide": {
        "hidden_size": 32,
        "head_dim": 32,
        "intermediate_size": 131072,
        "num_hidden_layers": 1,
        "num_attention_heads": 1,
        "num_key_value_heads": 1,
    },
}
SENTENCE = "every night a replica of the model server is measured in isolation and compared with the nights before it"
CONTEXT_TOKENS = 2048


def make_tokenizer() -> PreTrainedTokenizerFast:
    """A tokenizer of whole characters.

    With one of bytes, as usual, a model of random weights mostly says halves of characters, which vLLM holds back until they
    are whole: the first text of an answer would come long after its first token.
    """
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    alphabet = list(string.ascii_letters + string.digits + string.punctuation)
    trainer = trainers.BpeTrainer(vocab_size=256, special_tokens=["<s>", "</s>", "<unk>"], initial_alphabet=alphabet)
    tokenizer.train_from_iterator([SENTENCE] * 8, trainer)
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )
    wrapped.chat_template = "{% for message in messages %}{{ message['content'] }}\n{% endfor %}"
    return wrapped


def make_model(shape: str, vocabulary: int) -> LlamaForCausalLM:
    torch.manual_seed(7)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=vocabulary,
            max_position_embeddings=CONTEXT_TOKENS,
            bos_token_id=0,
            eos_token_id=1,
            **SHAPES[shape],
        )
    )


def main() -> None:
    shape, folder = sys.argv[1], Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = make_tokenizer()
    tokenizer.save_pretrained(folder)
    make_model(shape, len(tokenizer)).to(torch.bfloat16).save_pretrained(folder)


main()
