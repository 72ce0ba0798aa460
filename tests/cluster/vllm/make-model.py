"""Makes a tiny model for a real vLLM: a Llama of two layers with random weights, and a tokenizer trained on one sentence.

usage: make-model.py FOLDER
The same weights every time. What it answers makes no sense; how an engine queues, batches and dies does not depend on it.
"""

import sys
from pathlib import Path

import torch
from tokenizers import ByteLevelBPETokenizer
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

SENTENCE = "every night a replica of the model server is measured in isolation and compared with the nights before it"
VOCABULARY = 512
CONTEXT_TOKENS = 2048


def make_tokenizer() -> PreTrainedTokenizerFast:
    """A tokenizer that takes any bytes, so that any prompt can be sent."""
    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator([SENTENCE] * 8, vocab_size=VOCABULARY, special_tokens=["<s>", "</s>"])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=trained._tokenizer, bos_token="<s>", eos_token="</s>")
    tokenizer.chat_template = "{% for message in messages %}{{ message['content'] }}\n{% endfor %}"
    return tokenizer


def make_model() -> LlamaForCausalLM:
    torch.manual_seed(7)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=VOCABULARY,
            hidden_size=128,
            intermediate_size=256,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=4,
            max_position_embeddings=CONTEXT_TOKENS,
            bos_token_id=0,
            eos_token_id=1,
        )
    )


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    make_tokenizer().save_pretrained(folder)
    make_model().to(torch.bfloat16).save_pretrained(folder)


main()
