"""The tuned language model as judge: LoRA on recorded answers, compared with the judge on facts."""
