"""What vLLM finds of genrec by itself: the class that its entry-point group ``vllm.logits_processors`` names.

vLLM loads it into every engine of the environment, whatever the model, and into both of its model runners, whose
interfaces differ. So it is a class of both kinds that becomes the processor of the runner that asks for it
(:mod:`genrec.decoding.vllm`, :mod:`genrec.decoding.vllm_v2`), and without a catalogue one that does nothing. What
is genrec's is imported when it is needed: vLLM asks its front end for little.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vllm.v1.sample.logits_processor import LogitsProcessor

try:
    from vllm.v1.worker.gpu.sample.logits_processor import LogitsProcessor as LogitsProcessorV2
except ImportError:  # what stands here stops every engine of the environment that it fails in
    LogitsProcessorV2 = object  # type: ignore[misc, assignment]

if TYPE_CHECKING:
    import torch
    from vllm.config import VllmConfig
    from vllm.sampling_params import SamplingParams


_NAME_IT = (
    "vLLM's first model runner, when it schedules ahead, tells what was written only to logits processors that it "
    "was given by name. Start it with --logits-processors genrec.decoding.vllm:TrieLogitsProcessor, or with "
    "--no-async-scheduling."
)


class Plugin(LogitsProcessor, LogitsProcessorV2):  # type: ignore[misc]  # it is never either of them itself
    """Becomes genrec's logits processor where the model's folder holds a catalogue, and idle elsewhere.

    It is idle too where the engine was given genrec's processor by name, which would work twice, and where
    ``additional_config`` has ``{"genrec_catalogue": false}``.
    """

    def __new__(cls, vllm_config: VllmConfig, *given: Any) -> Any:
        """Return the processor of the runner that asks.

        Raises:
            ValueError: if the first runner schedules ahead, and so tells what was written to named ones only.
        """
        from genrec.decoding.vllm_masks import catalogue_of

        first = len(given) > 1  # it gives a device and whether memory is pinned; the second gives its states
        if _named(vllm_config) or catalogue_of(vllm_config) is None:
            return Idle() if first else IdleV2()
        if first:
            from genrec.decoding.vllm import TrieLogitsProcessor

            if vllm_config.scheduler_config.async_scheduling:
                raise ValueError(_NAME_IT)
            return TrieLogitsProcessor(vllm_config, *given)
        from genrec.decoding.vllm_v2 import TrieLogitsProcessor as SecondProcessor

        return SecondProcessor(vllm_config, *given)

    @classmethod
    def validate_params(cls, sampling_params: SamplingParams) -> None:
        """Raise ``ValueError`` where a request says something unknown of what it may write."""
        from genrec.decoding.vllm_masks import legal_of

        legal_of(sampling_params)


def _named(vllm_config: VllmConfig) -> bool:
    """Say whether one of genrec's processors was given to the engine, as a class or by its name."""
    given = vllm_config.model_config.logits_processors or ()
    return any((one if isinstance(one, str) else one.__module__).startswith("genrec.") for one in given)


class Idle(LogitsProcessor):
    """Leaves all logits alone, in the first runner."""

    def __init__(self, *_: Any) -> None: ...

    def is_argmax_invariant(self) -> bool:
        """Return True: where only the best token counts, vLLM then does not even ask."""
        return True

    def update_state(self, batch_update: object) -> None:
        """Do nothing."""

    def apply(self, logits: torch.Tensor) -> torch.Tensor:
        """Return what came."""
        return logits


class IdleV2(LogitsProcessorV2):
    """Leaves all logits alone, in the second runner."""

    def __init__(self, *_: Any) -> None: ...

    def add_request(self, *_: Any) -> bool:
        """Return False: no request is ever touched."""
        return False

    def apply(self, logits: torch.Tensor, *_: Any) -> torch.Tensor:
        """Return what came."""
        return logits
