"""Looking at an agent's source for what makes executions differ."""

from __future__ import annotations

import pytest

from domain.agents.suspects import suspects


@pytest.mark.parametrize(
    ("source", "advice"),
    [
        ("import time\nt = time.time()", "line 2 uses time.time: use await ctx.now() instead"),
        ("from time import perf_counter as p\np()", "line 2 uses time.perf_counter: use await ctx.now() instead"),
        ("import time\ntime.sleep(1)", "line 2 uses time.sleep: use await ctx.sleep(seconds) instead"),
        ("import datetime as d\nd.datetime.now()", "line 2 uses datetime.datetime.now: use await ctx.now() instead"),
        ("from datetime import date\ndate.today()", "line 2 uses datetime.date.today: use await ctx.now() instead"),
        ("import random\nrandom.choice([1])", "line 2 uses random.choice: use await ctx.random() instead"),
        ("from secrets import token_hex\ntoken_hex()", "line 2 uses secrets.token_hex: use await ctx.random() instead"),
        ("import uuid\nuuid.uuid4()", "line 2 uses uuid.uuid4: use await ctx.uuid() instead"),
        ("import os\nos.urandom(3)", "line 2 uses os.urandom: use await ctx.random() instead"),
        ("import os\nos.environ['HOME']", "line 2 uses os.environ: use the task's inputs instead"),
        ("import os\nos.environ.get('HOME')", "line 2 uses os.environ: use the task's inputs instead"),
        ("import asyncio\nasyncio.gather()", "line 2 uses asyncio.gather: use await ctx.parallel(…) instead"),
        ("from threading import Thread\nThread()", "line 2 uses threading.Thread: use await ctx.parallel(…) instead"),
        ("for x in {'a', 'b'}: pass", "line 1 uses the order of a set: use sorted(…) instead"),
        ("y = [x for x in set('ab')]", "line 1 uses the order of a set: use sorted(…) instead"),
        ("y = list(frozenset('ab'))", "line 1 uses the order of a set: use sorted(…) instead"),
        ("hash('a')", "line 1 uses hash(…): use hashlib, which is the same in every process instead"),
        ("open('x')", "line 1 uses open(…): use a tool, await ctx.call(…) instead"),
    ],
)
def test_usual_suspects_are_named(source: str, advice: str) -> None:
    assert advice in [str(each) for each in suspects(source)]


@pytest.mark.parametrize(
    "source",
    [
        "",
        "import time, random, uuid, os",
        "from datetime import datetime\ndatetime.fromisoformat('2026-01-01')",
        "import uuid\nuuid.UUID('x')",
        "for x in sorted({'a', 'b'}): pass",
        "'a' in {'a', 'b'}",
        "class T:\n    def now(self): ...\nT().now()",
        "import os\nos.path.join('a', 'b')",
        "this is no Python",
        "x = '\0'",
        "(" * 10_000,
    ],
)
def test_the_innocent_are_not(source: str) -> None:
    assert suspects(source) == ()
