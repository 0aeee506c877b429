"""Iterative alignment: beams, rewards, pairs, training, and a verdict, round after round (``genrec align``)."""
