"""`python dpo_step.py DATASET OUT`: a tiny, randomly initialised model takes two DPO steps on a Parquet file of pairs.

For an environment that has torch and trl, which the project has not: nothing of the project is imported here.
"""

import copy
import json
import sys

import torch
from datasets import load_dataset
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from trl import DPOConfig, DPOTrainer

STEPS, PAIRS, LENGTH = 2, 64, 256


def tokenizer_of(texts: list[str]) -> PreTrainedTokenizerFast:
    """Pairs of bytes, learnt from the texts themselves: there is nothing to be downloaded."""
    learnt = Tokenizer(models.BPE(unk_token="<unk>"))
    learnt.pre_tokenizer = pre_tokenizers.ByteLevel()
    learnt.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=600, special_tokens=["<unk>", "<pad>", "</s>"]))
    return PreTrainedTokenizerFast(
        tokenizer_object=learnt, unk_token="<unk>", pad_token="<pad>", eos_token="</s>", model_max_length=LENGTH
    )


def main(path: str, out: str) -> None:
    """Prints as JSON what was opened, the loss of each step, and by how much the weights moved."""
    opened = load_dataset("parquet", data_files={"train": path}, cache_dir=out)["train"]
    pairs = opened.select_columns(["prompt", "chosen", "rejected"]).select(range(PAIRS))
    tokenizer = tokenizer_of([text for name in pairs.column_names for text in pairs[name]])
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=LENGTH, pad_token_id=tokenizer.pad_token_id, eos_token_id=tokenizer.eos_token_id,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    before = copy.deepcopy(model)
    settings = DPOConfig(
        output_dir=out, max_steps=STEPS, per_device_train_batch_size=4, max_length=LENGTH, learning_rate=1e-2,
        logging_steps=1, report_to="none", save_strategy="no", use_cpu=True, seed=0,
    )  # fmt: skip
    trainer = DPOTrainer(
        model=model, ref_model=copy.deepcopy(model), args=settings, train_dataset=pairs, processing_class=tokenizer
    )
    trainer.train()
    moved = sum(
        float((new.detach() - old.detach()).abs().sum())
        for new, old in zip(model.parameters(), before.parameters(), strict=True)
    )
    losses = [each["loss"] for each in trainer.state.log_history if "loss" in each]
    print(json.dumps({"rows": len(opened), "columns": opened.column_names, "losses": losses, "moved": moved}))


if __name__ == "__main__":
    main(*sys.argv[1:])
