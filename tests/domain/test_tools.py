import pytest

from domain.rtfs.capability import Capability
from domain.rtfs.types import NIL
from domain.tools import CallContext, ToolDeclaration, ToolNotDeclarable


def declaration(name: str = "mail.send", effects: str = "external", **changes: object) -> ToolDeclaration:
    return ToolDeclaration(
        **{"capability": Capability(name, "1", effects, (), NIL, "Sends a mail."), "timeout": 5.0, **changes}
    )


@pytest.mark.parametrize(
    ("effects", "idempotent", "repeatable"),
    [
        ("pure", False, True),
        ("read", False, True),
        ("write", False, False),
        ("write", True, True),
        ("external", False, False),
        ("external", True, True),
    ],
)
def test_a_call_whose_outcome_was_lost_is_repeated_only_where_that_is_harmless(effects, idempotent, repeatable) -> None:
    assert declaration(effects=effects, idempotent=idempotent).repeatable is repeatable


@pytest.mark.parametrize("name", ["python.metadata", "a", "BFCL.Twitter.post_tweet", "get-it", "x" * 128])
def test_names_are_words_joined_by_dots(name: str) -> None:
    assert declaration(name).name == name


@pytest.mark.parametrize("name", ["", ".", "a.", ".a", "a..b", "1a", "a b", "a/b", "a\n", "ä", ":a", "x" * 129])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(ToolNotDeclarable, match=r"words of letters, digits"):
        declaration(name)


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf"), 86401])
def test_a_timeout_that_no_call_can_meet_is_refused(timeout: float) -> None:
    with pytest.raises(ToolNotDeclarable, match=r"mail\.send: timeout"):
        declaration(timeout=timeout)


def test_every_attempt_at_an_effect_has_the_same_key_and_no_other_effect_has_it() -> None:
    assert CallContext(tenant="acme", run="r1", effect="2/0/1").idempotency_key == "r1:2/0/1"
