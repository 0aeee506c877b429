"""LoID (arXiv 2404.00236): language knowledge of source domains, merged and aligned with a target domain's IDs.

Of the paper only the abstract was at hand. What it does not say (the language model, ranks, rates, the network's
form, losses' weights) is a stand-in of this project; docs/loid.md tells the two apart.
"""
