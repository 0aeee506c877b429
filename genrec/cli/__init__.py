"""The command line: one file a verb. A verb's heavy imports happen inside it, so ``--help`` is instant."""
