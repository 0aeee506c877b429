"""Alignment tasks: rows that tie a language model's words to the catalogue's SID tokens.

``datasets``, torch and TRL are imported on first use.
"""

from genrec_alignment.tasks.config import MixtureConfig
from genrec_alignment.tasks.mixture import Mixture
from genrec_alignment.tasks.packing import Fill, measure_fill, pack
from genrec_alignment.tasks.perplexity import perplexity
from genrec_alignment.tasks.plain import plain_texts
from genrec_alignment.tasks.preview import preview
from genrec_alignment.tasks.registry import TASKS
from genrec_alignment.tasks.rows import Encoder, stream_rows, task_rows
from genrec_alignment.tasks.source import TaskSource
from genrec_alignment.tasks.task import Task, TaskRow

__all__ = [
    "TASKS",
    "Encoder",
    "Fill",
    "Mixture",
    "MixtureConfig",
    "Task",
    "TaskRow",
    "TaskSource",
    "measure_fill",
    "pack",
    "perplexity",
    "plain_texts",
    "preview",
    "stream_rows",
    "task_rows",
]
