"""All alignment tasks by name."""

from __future__ import annotations

from genrec_alignment.tasks.continue_history import ContinueHistory
from genrec_alignment.tasks.description_to_sid import DescriptionToSid
from genrec_alignment.tasks.next_item import NextItem
from genrec_alignment.tasks.persona import Persona
from genrec_alignment.tasks.plain_text import PlainText
from genrec_alignment.tasks.preference import PreferenceSummary, PreferenceToSid
from genrec_alignment.tasks.reason import Reason
from genrec_alignment.tasks.search import Search
from genrec_alignment.tasks.sid_to_description import SidToDescription
from genrec_alignment.tasks.sid_to_title import SidToTitle
from genrec_alignment.tasks.sids_to_title import SidsToTitle
from genrec_alignment.tasks.task import Task
from genrec_alignment.tasks.title_to_sid import TitleToSid
from genrec_alignment.tasks.titles_to_sid import TitlesToSid

_ALL: tuple[type[Task], ...] = (
    ContinueHistory,
    NextItem,
    TitleToSid,
    DescriptionToSid,
    SidToTitle,
    SidToDescription,
    TitlesToSid,
    SidsToTitle,
    Persona,
    Search,
    PreferenceSummary,
    PreferenceToSid,
    PlainText,
    Reason,
)
TASKS: dict[str, type[Task]] = {task.name: task for task in _ALL}
