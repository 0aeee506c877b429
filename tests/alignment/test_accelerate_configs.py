"""The configurations for several GPUs: accelerate reads them, and what they name exists. No GPU runs them here."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from accelerate import DistributedType, FullyShardedDataParallelPlugin
from accelerate.commands.config.config_args import load_config_from_file
from accelerate.commands.launch import _validate_launch_command, launch_command_parser
from accelerate.utils.fsdp_utils import fsdp2_prepare_auto_wrap_policy
from accelerate.utils.launch import prepare_multi_gpu_env

from genrec.cli.common import section_kinds
from genrec.config import load_settings
from genrec.models import build_generator
from genrec.models.build import ModelConfig
from genrec.models.decoder import DecoderConfig
from genrec.models.onerec.config import EncoderDecoderConfig, LazyDecoderConfig
from genrec.models.tiger.config import T5Config
from tests.alignment.test_item_tasks import CATALOGUE

ROOT = Path(__file__).resolve().parents[2]
ONEREC = ("EncoderLayer", "DecoderLayer")
CONFIGS = sorted((ROOT / "alignment" / "recipes" / "accelerate").glob("*.yaml"))


def _command(config: Path) -> list[str]:
    """The words after ``accelerate launch`` of the command a configuration opens with."""
    first = config.read_text(encoding="utf-8").splitlines()[0]
    start = "# accelerate launch "
    assert first.startswith(start)
    return shlex.split(first.removeprefix(start))


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.stem)
def test_a_configuration_opens_with_a_command_that_names_it_and_a_recipe(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    arguments = launch_command_parser().parse_args(_command(config))
    assert Path(arguments.config_file).resolve() == config
    assert (arguments.module, arguments.training_script) == (True, "genrec")
    verb, flag, recipe, *_ = arguments.training_script_args
    assert (verb, flag) == ("train", "--config")
    load_settings(section_kinds(), Path(recipe))


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.stem)
def test_accelerate_reads_every_key(config: Path) -> None:
    read = load_config_from_file(str(config))
    assert read.num_processes == 8
    assert read.mixed_precision == "bf16"


def test_the_three_ways_to_divide_a_model_are_there() -> None:
    kinds = {load_config_from_file(str(config)).distributed_type for config in CONFIGS}
    assert kinds == {DistributedType.MULTI_GPU, DistributedType.FSDP, DistributedType.DEEPSPEED}


# The blocks of each kind of model, as many as the shape says.
BLOCKS: list[tuple[ModelConfig, set[str], int]] = [
    (DecoderConfig(hidden_size=16, heads=2, layers=2), {"Qwen3DecoderLayer"}, 2),
    (EncoderDecoderConfig(hidden_size=16, heads=2, encoder_layers=2, decoder_layers=1), {*ONEREC}, 3),
    (LazyDecoderConfig(hidden_size=16, heads=2, layers=2), {"DecoderLayer"}, 2),
    (LazyDecoderConfig(hidden_size=16, heads=2, layers=2, context_layers=1), {*ONEREC}, 3),
    (T5Config(hidden_size=16, heads=2, head_size=8, layers=2), {"T5Block"}, 4),
]


@pytest.mark.parametrize(("config", "names", "count"), BLOCKS, ids=lambda value: getattr(value, "kind", ""))
def test_fsdp_wraps_the_blocks_of_every_model_and_writes_whole_checkpoints(
    monkeypatch: pytest.MonkeyPatch, config: ModelConfig, names: set[str], count: int
) -> None:
    monkeypatch.chdir(ROOT)
    arguments = launch_command_parser().parse_args(_command(ROOT / "alignment/recipes/accelerate/fsdp.yaml"))
    arguments, *_ = _validate_launch_command(arguments)
    for name, value in prepare_multi_gpu_env(arguments).items():
        if name.startswith("FSDP"):
            monkeypatch.setenv(name, value)
    plugin = FullyShardedDataParallelPlugin()
    assert plugin.fsdp_version == 2
    assert plugin.state_dict_type.name == "FULL_STATE_DICT"
    model = build_generator(config, CATALOGUE, 5).model
    divides = fsdp2_prepare_auto_wrap_policy(plugin, model)
    assert divides is not None
    divided = [type(module).__name__ for module in model.modules() if divides(module)]
    assert (set(divided), len(divided)) == (names, count)


def test_deepspeed_divides_gradients_and_optimizer_only() -> None:
    """At stage 2 every process has the whole model, which validation and saving rely on."""
    read = load_config_from_file(str(ROOT / "alignment/recipes/accelerate/deepspeed-zero2.yaml"))
    assert read.deepspeed_config["zero_stage"] == 2
    assert read.deepspeed_config["zero3_init_flag"] is False
