"""Training of the re-ranker that genrec.reranking runs on the device (after arXiv:2208.09577).

log        who was shown what, in which session, with what answer
batches    windows of a log: what was shown before an item, and what of it the user had answered
network    the scorer, to train
config     settings
training   fits the network to a log and writes the folder that the device reads
run        the log of a run folder
world      users with a mood, to measure on
"""
