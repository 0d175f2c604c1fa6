"""``cache``: how often reuse answered and what it saved, what is kept, and how people warm and correct it."""

from __future__ import annotations

import click

from infra.cli.cache.entries import invalidate, ls
from infra.cli.cache.feedback import feedback
from infra.cli.cache.stats import stats
from infra.cli.cache.warming import warm
from infra.cli.invocation import examples


@click.group(
    epilog=examples(
        "precedent cache stats --since 7d",
        "precedent cache ls --namespace crm",
        "precedent cache invalidate --namespace crm --depends tool:crm.read@1",
        "precedent cache feedback RUN --wrong",
    )
)
def cache() -> None:
    """What is reused in place of models and tools: figures, entries, warming, invalidation, feedback."""


for _command in (stats, ls, warm, invalidate, feedback):
    cache.add_command(_command)
