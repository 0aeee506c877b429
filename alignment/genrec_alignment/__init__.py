"""Alignment: generators are pre-trained on histories here, and later aligned with text and preferences."""
