"""Prompts are sent shorter, never longer, and nothing is lost that somebody could miss."""

from __future__ import annotations

import json
import re
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from pointsman.core.lossless import LEAST_REPEATED, lossless
from pointsman.core.optimise import Optimisation, optimised
from pointsman.core.prompt_tokens import count_prompt
from pointsman.core.request import Image, Message, Part, Prompt, ResponseFormat, Tool, ToolCall, ToolResult
from pointsman.core.ruleset import RouteSettings
from pointsman.core.trim import KEPT_TURNS, trimmed
from pointsman.core.vocabulary import Role

LOSSLESS = RouteSettings(optimize="lossless")


def trim(target: int) -> RouteSettings:
    return RouteSettings(optimize="trim_history", target_tokens=target)


def words(text: str) -> int:
    """Count a token for each word and each run of other characters, spaces included: so that spaces count, as they do."""
    return len(re.findall(r"\w+|\s+|[^\w\s]", text))


def said(role: Role, *parts: Part) -> Message:
    return Message(role=role, parts=parts)


def after(text: str, role: Role = Role.ASSISTANT) -> str:
    """Return what becomes of one text."""
    prompt, _ = lossless(Prompt(messages=(said(role, text), said(Role.USER, "?"))))
    part = prompt.messages[0].parts[0]
    assert isinstance(part, str)
    return part


LONG = "The scheduler hands out jobs in order of their deadline, and never two of one tenant at a time. " * 3

TEXTS = [
    # what it is, before, after
    ("spaces at ends of lines", "a  \nb\t\nc", "a\nb\nc"),
    ("spaces within lines", "a  b\n c", "a  b\n c"),
    ("a fence", "```py\nx = 1  \n```  \na ", "```py\nx = 1  \n```  \na"),
    ("another fence", "~~~\n```  \n~~~\na ", "~~~\n```  \n~~~\na"),
    ("a fence left open", "```\na  ", "```\na  "),
    ("indented code", "    x = 1  \n\ty  \nz ", "    x = 1  \n\ty  \nz"),
    ("a quotation", "> said  \n  > so  \nhe ", "> said  \n  > so  \nhe"),
    ("quotation marks over lines", 'he said "one  \ntwo"  \nand ', 'he said "one  \ntwo"  \nand'),
    ("a mark left open ends with its paragraph", '5" wide  \n\nx  ', '5" wide  \n\nx'),
    ("nothing but spaces", "  \n ", "  \n "),
]


@pytest.mark.parametrize(("what", "before", "expected"), TEXTS)
def test_of_text_only_spaces_at_ends_of_plain_lines_go(what: str, before: str, expected: str) -> None:
    assert after(before) == expected


def test_a_long_paragraph_that_stands_above_is_pointed_to() -> None:
    first, second = said(Role.SYSTEM, f"Rules:\n\n{LONG}"), said(Role.ASSISTANT, f"I was told:\n\n{LONG} \n\nand obey")
    prompt, removed = lossless(Prompt(messages=(first, said(Role.USER, LONG), second)))

    assert prompt.messages[0].parts == (f"Rules:\n\n{LONG.rstrip()}",)
    assert prompt.messages[1].parts == (LONG,)
    assert prompt.messages[2].parts == (f"I was told:\n\n[as above: {LONG[:60]}...]\n\nand obey",)
    assert removed.repeats == 1


@pytest.mark.parametrize("other", [f"{LONG[:60]} but otherwise.", f"{LONG[:60]} at length. {LONG}", LONG[:60]])
def test_a_paragraph_whose_beginning_does_not_say_which_one_it_is_is_repeated(other: str) -> None:
    above, again = said(Role.USER, f"{LONG}\n\n{other}"), said(Role.ASSISTANT, f"I recommend this one:\n\n{LONG.rstrip()}")
    prompt, removed = lossless(Prompt(messages=(above, again)))

    assert prompt.messages == (above, again)
    assert removed.repeats == 0


@pytest.mark.parametrize(
    "block",
    [
        f"```\n{LONG}\n\n{LONG}\n```",
        f"> {LONG}\n\n> {LONG}",
        f'"{LONG}\n\n{LONG}"',
        "\n\n".join(["short words"] * 50),
        f"    {LONG}\n\n    {LONG}",
    ],
)
def test_code_and_quotations_are_not_pointed_to_nor_what_is_short(block: str) -> None:
    _, removed = lossless(Prompt(messages=(said(Role.ASSISTANT, block),)))
    assert removed.repeats <= 1  # of the last, only where a line of it is plain
    assert after(block).count("as above") == 0


JSONS = [
    ('{ "a" : [ 1, 2.50, 1e5, true, null ],\n\t"b" : "x  y\\" : z" }', '{"a":[1,2.50,1e5,true,null],"b":"x  y\\" : z"}'),
    ("[ ]", "[]"),
    ('{"a":1}', '{"a":1}'),
    ("{ broken", "{ broken"),
    ("{ 'a': 1 }", "{ 'a': 1 }"),
    ('{ "a": 1 } and more', '{ "a": 1 } and more'),
]


@pytest.mark.parametrize(("before", "expected"), JSONS)
def test_json_loses_its_spaces_and_nothing_else(before: str, expected: str) -> None:
    messages = (
        said(Role.ASSISTANT, ToolCall(id="1", name="f", arguments_json=before)),
        said(Role.TOOL, ToolResult(tool_call_id="1", text=before)),
    )
    prompt, _ = lossless(
        Prompt(messages=messages, tools=(Tool(name="f", parameters_json=before),), response_format=ResponseFormat(json_schema=before))
    )

    assert prompt.messages[0].parts == (ToolCall(id="1", name="f", arguments_json=expected),)
    assert prompt.messages[1].parts == (ToolResult(tool_call_id="1", text=expected),)
    assert prompt.tools[0].parameters_json == expected
    assert prompt.response_format is not None
    assert prompt.response_format.json_schema == expected


def test_a_tool_defined_twice_is_defined_once_and_two_of_one_name_stay_two() -> None:
    tools = (Tool(name="f", parameters_json='{"a": 1}'), Tool(name="f", parameters_json='{"a":1}'), Tool(name="f", description="other"))
    prompt, removed = lossless(Prompt(messages=(said(Role.USER, "?"),), tools=tools))

    assert [tool.description for tool in prompt.tools] == ["", "other"]
    assert removed.told() == "JSON 1, tools 1"


def test_a_conversation_that_goes_on_begins_as_it_did() -> None:
    """Whatever is added: what becomes of a message does not depend on those behind it."""
    messages = tuple(said(role, f"{LONG}\n\n{number}  ") for number, role in enumerate((Role.SYSTEM, Role.USER, Role.ASSISTANT) * 4))
    whole = lossless(Prompt(messages=messages))[0].messages

    for length in range(1, len(messages)):
        assert lossless(Prompt(messages=messages[:length]))[0].messages == whole[:length]


# Trimming


def conversation(turns: int, *, size: int = 50) -> tuple[Message, ...]:
    system = said(Role.SYSTEM, "be brief")
    return (system, *(said(role, f"{number} " + "w " * size) for number in range(turns) for role in (Role.USER, Role.ASSISTANT)))


def test_the_oldest_turns_go_and_the_system_and_the_last_turns_stay() -> None:
    prompt = Prompt(messages=conversation(20))
    shorter, gone = trimmed(prompt, 1000, words)

    assert count_prompt(shorter, words) <= 1000
    assert shorter.messages == (prompt.messages[0], *prompt.messages[1 + 2 * gone :])
    assert 0 < gone <= 20 - KEPT_TURNS


@pytest.mark.parametrize("target", [1, 100, 400])
def test_the_last_turns_stay_however_long_they_are(target: int) -> None:
    prompt = Prompt(messages=conversation(6, size=200))
    shorter, gone = trimmed(prompt, target, words)

    assert gone == 6 - KEPT_TURNS
    assert shorter.messages[1:] == prompt.messages[-2 * KEPT_TURNS :]


def test_what_fits_stays_as_it_is() -> None:
    prompt = Prompt(messages=conversation(20))

    assert trimmed(prompt, count_prompt(prompt, words), words) == (prompt, 0)
    assert trimmed(Prompt(messages=conversation(2, size=999)), 10, words)[1] == 0


def test_while_a_conversation_goes_on_the_cut_moves_rarely() -> None:
    """Each move costs the prefix that the provider keeps."""
    cuts = [trimmed(Prompt(messages=conversation(turns)), 2000, words)[1] for turns in range(10, 80)]

    assert cuts == sorted(cuts)
    assert len(set(cuts)) < len(cuts) / 2


CALL = ToolCall(id="a", name="f", arguments_json="{}")
RESULT = ToolResult(tool_call_id="a", text="found")


def test_a_result_that_comes_turns_later_keeps_its_call() -> None:
    messages = list(conversation(12))
    messages[6] = said(Role.ASSISTANT, "calling", CALL)
    messages[16] = said(Role.ASSISTANT, "w")
    messages.insert(16, said(Role.TOOL, RESULT))
    shorter, _ = trimmed(Prompt(messages=tuple(messages)), 400, words)

    parts = [part for message in shorter.messages for part in message.parts]
    assert (CALL in parts) is (RESULT in parts)


# What holds whatever the prompt is

TEXT = st.one_of(
    st.text(max_size=20),
    st.sampled_from(["a  \nb ", LONG, f"{LONG}\n\n{LONG}", "```\nx  \n```", '{"a": 1}', '[1,  "a  b"]', "> q  \n", 'say "x  \ny" ', "  "]),
)
IDS = st.sampled_from(["1", "2", "3"])
PARTS: st.SearchStrategy[Part] = st.one_of(
    TEXT.filter(bool),
    st.builds(ToolCall, id=IDS, name=st.just("f"), arguments_json=TEXT),
    st.builds(ToolResult, tool_call_id=IDS, text=TEXT),
    st.builds(Image, url=st.just("https://x")),
)
PROMPTS = st.builds(
    Prompt,
    messages=st.lists(
        st.builds(Message, role=st.sampled_from(Role), parts=st.lists(PARTS, min_size=1, max_size=3).map(tuple)), min_size=1, max_size=14
    ).map(tuple),
    tools=st.lists(st.builds(Tool, name=st.sampled_from("fg"), parameters_json=st.sampled_from(["", "{}", '{ "a" : 1 }'])), max_size=3).map(
        tuple
    ),
)
SETTINGS = st.one_of(st.just(LOSSLESS), st.integers(1, 400).map(trim))


@settings(deadline=None)
@given(PROMPTS, SETTINGS)
def test_never_longer_and_told_rightly(prompt: Prompt, how: RouteSettings) -> None:
    shorter, report = optimised(prompt, how, words)

    assert count_prompt(shorter, words) == report.tokens_after <= report.tokens_before == count_prompt(prompt, words)
    assert (report.removed == "") is (shorter == prompt)


@settings(deadline=None)
@given(PROMPTS, SETTINGS)
def test_once_is_enough(prompt: Prompt, how: RouteSettings) -> None:
    shorter, _ = optimised(prompt, how, words)

    assert optimised(shorter, how, words)[0] == shorter


@settings(deadline=None)
@given(PROMPTS, SETTINGS)
def test_no_text_of_a_user_is_changed_and_what_he_said_last_is_still_there(prompt: Prompt, how: RouteSettings) -> None:
    shorter, _ = optimised(prompt, how, words)
    before, left = (
        [part for message in each.messages if message.role is Role.USER for part in message.parts if isinstance(part, str)]
        for each in (prompt, shorter)
    )

    assert left == before[len(before) - len(left) :]
    assert said_last(shorter) == said_last(prompt)


def said_last(prompt: Prompt) -> list[object]:
    last = next((message for message in reversed(prompt.messages) if message.role is Role.USER), None)
    return [part if isinstance(part, str) else type(part) for part in (last.parts if last is not None else ())]


def test_a_result_in_what_the_system_says_keeps_its_call() -> None:
    call, result = ToolCall(id="2", name="f", arguments_json=""), ToolResult(tool_call_id="2", text="")
    said = ((Role.SYSTEM, "0"), (Role.USER, call), (Role.SYSTEM, result), (Role.USER, "0"), (Role.USER, "0"), (Role.USER, "0"))
    prompt = Prompt(messages=tuple(Message(role=role, parts=(part,)) for role, part in said))

    assert optimised(prompt, trim(1), words)[0] == prompt


@settings(deadline=None)
@given(PROMPTS, SETTINGS)
def test_calls_of_tools_and_their_results_stay_together(prompt: Prompt, how: RouteSettings) -> None:
    shorter, _ = optimised(prompt, how, words)

    assert parted(shorter) <= parted(prompt)


def parted(prompt: Prompt) -> int:
    """Return how many results stand without a call before them."""
    calls: set[str] = set()
    alone = 0
    for message in prompt.messages:
        for part in message.parts:
            if isinstance(part, ToolCall):
                calls.add(part.id)
            elif isinstance(part, ToolResult):
                alone += part.tool_call_id not in calls
    return alone


@settings(deadline=None)
@given(PROMPTS, SETTINGS)
def test_what_the_system_says_stays_and_json_means_the_same(prompt: Prompt, how: RouteSettings) -> None:
    shorter, _ = optimised(prompt, how, words)

    assert sum(message.role is Role.SYSTEM for message in shorter.messages) == sum(
        message.role is Role.SYSTEM for message in prompt.messages
    )
    if how is LOSSLESS:
        for before, left in zip(prompt.messages, shorter.messages, strict=True):
            for one, other in zip(before.parts, left.parts, strict=True):
                assert meaning(one) == meaning(other)


def meaning(part: Part) -> object:
    """Return what a part means where that can be told: JSON as a value."""
    match part:
        case ToolCall():
            return structs.replace(part, arguments_json=str(value_of(part.arguments_json)))
        case ToolResult():
            return None if value_of(part.text) == part.text else value_of(part.text)
        case _:
            return type(part)


def value_of(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text


# Two hundred conversations as they are held

PROSE = [
    "The worker renews its lease every ten seconds, and gives the job back when it cannot.",
    "Which of the two would you rather keep, and why?",
    "I looked at the logs of the last night; the queue was empty at three and full at four.",
    "That is so because the index is built in the background, and readers see the old one until it is done.",
]
CODE = "```python\ndef claim(job):   \n    with lease(job) as held:\n        return held.run()  \n\n\n    # done  \n```"
NOTICE = "Answers are given without warranty, are for the people that they are addressed to, and may not be passed on to others. " * 3


def a_conversation(random: Random) -> Prompt:
    """Return a conversation with an agent: prose and code, tools that answer in JSON, a notice that comes again and again."""
    messages: list[Message] = [said(Role.SYSTEM, f"You help with a code base.  \n\n{NOTICE}\n\n> House rule: never guess.  ")]
    for number in range(random.randint(2, 12)):
        messages.append(said(Role.USER, " ".join(random.choices(PROSE, k=random.randint(1, 4))) + "  "))
        if random.random() < 0.6:
            rows = [{"id": row, "path": f"src/mod_{row}.py", "note": "two  spaces, kept"} for row in range(random.randint(1, 25))]
            messages += [
                said(Role.ASSISTANT, ToolCall(id=f"c{number}", name="search", arguments_json='{ "query" : "lease" }')),
                said(Role.TOOL, ToolResult(tool_call_id=f"c{number}", text=json.dumps(rows, indent=2))),
            ]
        answer = [random.choice(PROSE) + "   ", CODE if random.random() < 0.5 else random.choice(PROSE), '"As we said:  \nnever guess"']
        messages.append(said(Role.ASSISTANT, "\n\n".join([*answer, *([NOTICE] if random.random() < 0.5 else [])])))
    return Prompt(
        messages=(*messages, said(Role.USER, "Go on, please.  ")), tools=(Tool(name="search", parameters_json='{ "type": "object" }'),) * 2
    )


FENCES, QUOTES = re.compile(r"```.*?```", re.DOTALL), re.compile(r'"[^"]*"|^>.*$', re.DOTALL | re.MULTILINE)


def guarded(prompt: Prompt) -> list[str]:
    """Return all code and quoted text of a prompt, and every string of its JSON."""
    texts = [part if isinstance(part, str) else getattr(part, "text", "") for message in prompt.messages for part in message.parts]
    return [found for text in texts for pattern in (FENCES, QUOTES) for found in pattern.findall(text)]


def test_on_two_hundred_conversations_tokens_are_saved_and_nothing_in_code_or_quotes_changes() -> None:
    random = Random(17)  # noqa: S311  # not for secrets
    reports: list[Optimisation] = []
    for _ in range(200):
        prompt = a_conversation(random)
        shorter, report = optimised(prompt, LOSSLESS, words)
        assert guarded(shorter) == guarded(prompt)
        reports.append(report)

    before, left = sum(report.tokens_before for report in reports), sum(report.tokens_after for report in reports)
    print(f"{before} -> {left} tokens: {1 - left / before:.1%} saved")
    assert left < 0.9 * before
    assert len(NOTICE) > LEAST_REPEATED
