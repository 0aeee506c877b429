"""Supervised fine-tuning: a pretrained language model learns to write a catalogue's items, stage after stage."""
