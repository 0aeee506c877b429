"""Item tokenizers: encoders, fusion, quantizers, collisions, and the quality of semantic IDs."""
