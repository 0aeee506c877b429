"""Users' histories: what the dataset knows, and the feedback that came since."""

from genrec.serving.histories.base import HistoryStore, StoredEvent, StoreDownError
from genrec.serving.histories.opening import open_histories
from genrec.serving.histories.people import People

__all__ = ["HistoryStore", "People", "StoreDownError", "StoredEvent", "open_histories"]
