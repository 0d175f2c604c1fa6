"""A model that knows the ground truth: a server of the OpenAI chat form, which counts what it is asked.

It is shown what any model is shown, the goal among it and no input, and finds the plan by the goal alone. Tokens are
told as a quarter of the bytes, the rule of thumb for English; no tokenizer takes part.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

import orjson

NAME: Final = "ground-truth"
_BYTES_A_TOKEN: Final = 4
_BEGINS: Final = "Goal: "
_ENDS: Final = "\n\nType of inputs: "
"""Around the goal in the planner's question (``domain/models.py``)."""


class GroundTruth:
    """Answers by goal, and how often each was asked for."""

    def __init__(self, plans: Mapping[str, str]) -> None:
        """Know the plan of each goal."""
        self._plans = {goal.strip(): plan for goal, plan in plans.items()}
        self._lock = threading.Lock()
        self.asked: Counter[str] = Counter()
        """Questions by goal; those that nobody knew under the empty text."""

    def answer(self, body: bytes) -> tuple[int, dict[str, Any]]:
        """Status and document for the body of a request."""
        try:
            messages = orjson.loads(body)["messages"]
            question = next(message["content"] for message in messages if message["role"] == "user")
            goal = question.partition(_BEGINS)[2].rpartition(_ENDS)[0]
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError, StopIteration):
            return 400, _fault("this is no question of a planner")
        plan = self._plans.get(goal)
        with self._lock:
            self.asked[goal if plan is not None else ""] += 1
        if plan is None:
            return 404, _fault(f"no entry has the goal {goal[:80]!r}")
        text = f"```rtfs\n{plan}```"
        sent = sum(len(message["content"].encode()) for message in messages)
        return 200, {
            "object": "chat.completion",
            "model": NAME,
            "choices": [
                {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"},
            ],
            "usage": {
                "prompt_tokens": sent // _BYTES_A_TOKEN,
                "completion_tokens": len(text.encode()) // _BYTES_A_TOKEN,
            },
        }


def _fault(message: str) -> dict[str, Any]:
    return {"error": {"message": message}}


@contextmanager
def served(model: GroundTruth) -> Iterator[str]:
    """Serve the model on this machine alone, in threads of this process; gives the base URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            status, document = model.answer(self.rfile.read(int(self.headers.get("Content-Length", 0))))
            body = orjson.dumps(document)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # likewise
            """Say nothing: the benchmark has a table of its own."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
