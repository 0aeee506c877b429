"""Re-ranking a generated list on the user's device, between two requests (after arXiv:2208.09577).

The list of a generator is stale as soon as the user has seen its first item. A small scorer that knows what was
shown before puts the rest in a new order after every answer. Nothing here imports torch: numpy and safetensors are
enough.

    marks      what is known of an item that was shown
    search     the adaptive beam search over orders, and the reward of an order
    scorer     the scorer: attention over what was shown, experts, three probabilities
    store      the scorer as a folder of two files
    onnx       the scorer as an ONNX file (extra ``onnx``)
    session    a session: which item next, and what the user made of it

Training is in genrec_alignment.reranking.
"""
