"""Makes a tiny model for a real vLLM: a Llama of two layers with random weights, and a tokenizer trained on one sentence.

usage: make-model.py FOLDER
The same weights every time. What it answers makes no sense; how an engine queues, batches and dies does not depend on it.
"""

import string
import sys
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

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


def make_model(vocabulary: int) -> LlamaForCausalLM:
    torch.manual_seed(7)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=vocabulary,
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
    tokenizer = make_tokenizer()
    tokenizer.save_pretrained(folder)
    make_model(len(tokenizer)).to(torch.bfloat16).save_pretrained(folder)


main()
