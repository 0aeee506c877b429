"""Serving: recommendations over HTTP, users' histories, a catalogue that changes while it runs, and a page.

``genrec serve`` starts it. Inside, a request goes

    api → asking (ids and titles to item indices) → batching (a queue, one thread) → searching → replies

and everything about one version of the catalogue is held by one :class:`~genrec.serving.deployment.Deployment`, so
that an answer never mixes two.
"""
