"""The life of a catalogue after its IDs were made: new items get free IDs, and nobody else's moves."""

from genrec_tokenizers.lifecycle.add import Addition, add_items
from genrec_tokenizers.lifecycle.free_ids import assign_ids
from genrec_tokenizers.lifecycle.reading import read_new_items

__all__ = ["Addition", "add_items", "assign_ids", "read_new_items"]
