import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from domain.models import MAX_ANSWER, MAX_FAULT, MAX_PLAN, PlanNotFound, extract_plan, plan_messages

PLAN = "(let [x 1]\n  ; one\n  (+ x 1))\n"


def messages(**changed):
    task = {
        "goal": "Count the words",
        "input_type": "[:map [:folder :string]]",
        "output_type": ":int",
        "checks": ["(>= output 0)"],
        "limits": {"seconds": 120, "usd": 0.5},
        "card": "the card",
    }
    return plan_messages(**(task | changed))


class TestQuestion:
    def test_says_goal_types_postconditions_limits_and_the_language(self) -> None:
        system, user = messages()
        assert system["role"] == "system"
        assert system["content"].startswith("Role: planner.\n")
        assert system["content"].endswith("\nthe card\n")
        assert user == {
            "role": "user",
            "content": "Goal: Count the words\n\nType of inputs: [:map [:folder :string]]\n\nOutput type: :int\n\n"
            "Postconditions, over `inputs` and `output`:\n- (>= output 0)\n\nLimits: seconds 120, usd 0.5",
        }

    def test_a_task_without_postconditions_and_limits_says_nothing_of_them(self) -> None:
        _, user = messages(checks=[], limits={})
        assert user["content"].endswith("Output type: :int")

    def test_rejected_drafts_follow_as_conversation_oldest_first(self) -> None:
        talk = messages(rejected=[("(foo)\n", "1:2: foo is not known"), ("(bar)", "1:2: bar is not known")])
        assert [message["role"] for message in talk] == ["system", "user", "assistant", "user", "assistant", "user"]
        assert talk[2]["content"] == "```rtfs\n(foo)\n```"
        assert "1:2: foo is not known" in talk[3]["content"]
        assert talk[4]["content"] == "```rtfs\n(bar)\n```"
        assert "1:2: bar is not known" in talk[5]["content"]

    def test_an_answer_without_a_plan_is_no_empty_message(self) -> None:
        assert messages(rejected=[("", "the answer is empty")])[2]["content"] == "(no program)"

    def test_a_fault_of_any_length_is_shown_in_part(self) -> None:
        shown = messages(rejected=[("(f)", "x" * 100_000)])[3]["content"]
        assert "x" * MAX_FAULT + " …" in shown
        assert len(shown) < MAX_FAULT + 200

    @given(st.text(alphabet="`~()a \n;", min_size=1).filter(str.strip))
    def test_a_rejected_draft_is_told_unchanged_whatever_it_holds(self, source: str) -> None:
        assert extract_plan(messages(rejected=[(source, "no")])[2]["content"]).strip() == source.strip()


class TestPlanFound:
    @pytest.mark.parametrize(
        "answer",
        [
            f"```rtfs\n{PLAN}```",
            f"Sure! Here it is:\n\n```RTFS\n{PLAN}```\nIt adds one.",
            f"```clojure\n{PLAN}```",
            f"```\n{PLAN}```",
            f"~~~rtfs\n{PLAN}~~~",
            f"````rtfs title=plan\n{PLAN}````",
            f"```rtfs\r\n{PLAN}```\r\n".replace("\n", "\r\n").replace("\r\r", "\r"),
            PLAN,
            f"Here it is:\n{PLAN}",
            f"<think>maybe ```rtfs\n(wrong)\n```?</think>\n```rtfs\n{PLAN}```",
            f"```json\n{{}}\n```\n```\nprose\n```\n```rtfs\n{PLAN}```\n```python\nprint()\n```",
            f"```rtfs\n(first draft)\n```\nBetter:\n```rtfs\n{PLAN}```",
            f"Use ```inline``` code.\n```rtfs\n{PLAN}```",
        ],
        ids=[
            "labelled", "in prose", "as Clojure", "no label", "tildes", "longer fence", "CRLF", "bare", "bare after prose",
            "after reasoning", "among other blocks", "the last of two", "after inline code",
        ],
    )  # fmt: skip
    def test_wherever_a_model_puts_it(self, answer: str) -> None:
        assert extract_plan(answer) == PLAN

    def test_a_longer_fence_may_hold_a_shorter_one(self) -> None:
        assert extract_plan('````rtfs\n"\n```\n"\n````') == '"\n```\n"\n'


class TestPlanNotFound:
    @pytest.mark.parametrize(
        ("answer", "said"),
        [
            ("", "is empty"),
            (" \n\t ", "is empty"),
            ("<think>done</think>", "is empty"),
            ("I cannot do that (sorry).", "holds no program"),
            ("```rtfs\n\n```", "holds no program"),
            ("```python\nprint(1)\n```", "holds no program"),
            ("<think>\n```rtfs\n(+ 1 2)\n```", "cut off while reasoning"),
            ("```rtfs\n(let [x 1]", "not closed"),
            ("```rtfs\n(" + "x" * MAX_PLAN + ")\n```", "65,5"),
            ("(" * (MAX_ANSWER + 1), "1,000,001 characters"),
            ('```rtfs\n"\ud800"\n```', "surrogates"),
        ],
        ids=[
            "empty", "blank", "only reasoning", "refusal", "empty block", "another language", "endless reasoning",
            "cut off", "huge plan", "huge answer", "surrogate",
        ],
    )  # fmt: skip
    def test_the_message_tells_the_planner_what_to_do(self, answer: str, said: str) -> None:
        with pytest.raises(PlanNotFound, match=said):
            extract_plan(answer)


MARKDOWN = st.lists(
    st.sampled_from(
        ["```", "````", "~~~", "```rtfs", "```json", "(a)", "<think>", "</think>", "x", " ", "\t(", "\ud800", ""]
    )
    | st.text(max_size=5)
).map("\n".join)


@given(MARKDOWN)
@example("```rtfs\n```\n```rtfs")
@example("```" + " " * 3 + "`")
def test_every_answer_gives_a_source_or_a_clear_refusal(answer: str) -> None:
    try:
        source = extract_plan(answer)
    except PlanNotFound:
        return
    assert source.strip()
    assert source.endswith("\n")
    assert source.strip() in answer.replace("\r\n", "\n")
    source.encode()


@settings(max_examples=20)
@given(
    st.text(alphabet="(;a\n \t\u2028\x0b", min_size=1).filter(str.strip),
    st.text(alphabet="ab \n"),
    st.text(alphabet="ab \n"),
)
def test_a_labelled_block_survives_any_prose_around_it(source: str, before: str, after: str) -> None:
    assert extract_plan(f"{before}\n```rtfs\n{source}\n```\n{after}") == source.strip() + "\n"


@pytest.mark.parametrize(
    "unit", ["`", "``` `\n", "```\n", " ", "(", "\n(", '"\\', "~~~~", "<think>", "\t `", "#|"], ids=repr
)
def test_hostile_repetition_is_read_in_linear_time(unit: str) -> None:
    with pytest.raises(PlanNotFound):  # a quadratic reader would need hours, and the test has two minutes
        extract_plan(unit * (MAX_ANSWER // len(unit)))
