"""Learning: the same rows give the same bytes, and what runs is what was learned."""

from __future__ import annotations

import gzip
from pathlib import Path

import msgspec
import numpy as np
import pytest

pytest.importorskip("sklearn", reason="learning needs the extra `learn`: scikit-learn is not installed")

from pointsman.adapters.artifact import digest_of, packed, unpacked
from pointsman.cli import main
from pointsman.core.estimator import Estimator, Weights
from pointsman.core.estimator.shape import NAMES, RISING
from pointsman.learn.card import card
from pointsman.learn.distil import TREES, taught
from pointsman.learn.rows import BadRows, asked, read_rows
from pointsman.learn.table import Table, folds_of, table_of
from pointsman.learn.train import train
from pointsman.learn.trees import WORK, grown
from synthetic import rows_made


@pytest.fixture(scope="module")
def table() -> Table:
    """Return the made-up rows, read."""
    return table_of(rows_made())


@pytest.fixture(scope="module")
def weights(table: Table) -> Weights:
    """Return what was learned from them."""
    return train(table)


@pytest.fixture(scope="module")
def artifact(weights: Weights) -> bytes:
    """Return that, packed."""
    return packed(weights)


def test_the_same_rows_give_the_same_bytes(artifact: bytes) -> None:
    assert packed(train(table_of(rows_made()))) == artifact


def test_the_artifact_gives_back_the_scores_of_training(table: Table, weights: Weights, artifact: bytes) -> None:
    trained, loaded = Estimator(weights), Estimator(unpacked(artifact, digest=digest_of(artifact)))

    assert [trained.estimate(row.prompt) for row in table.rows[:40]] == [loaded.estimate(row.prompt) for row in table.rows[:40]]


def test_the_network_votes_as_the_forests_that_taught_it(table: Table) -> None:
    numbers, kinds = table.shapes.astype(np.float32), np.unique(table.kinds, return_inverse=True)[1]
    votes = taught(numbers, table.gain, table.failure, kinds=kinds).vote(numbers.astype(np.float64))

    for vote, outcome, rising in ((0, table.gain, WORK), (1, table.failure, RISING)):
        said = grown(numbers, outcome, rising=rising, trees=TREES[vote]).predict(numbers)
        assert np.corrcoef(votes[:, vote], said)[0, 1] > 0.95


def test_work_never_lowers_a_vote(artifact: bytes, table: Table) -> None:
    weights = unpacked(artifact)
    topics = weights.words.shape[1] - 1 - len(weights.kinds)

    for shape in table.shapes[:20]:
        numbers = np.concatenate((shape, np.zeros(topics)))
        before = weights.network.vote(numbers)
        for place in (place for place, name in enumerate(NAMES) if name in RISING):
            more = numbers.copy()
            more[place] += 1.5
            assert (weights.network.vote(more) >= before - 1e-9).all()


def test_hard_kinds_score_higher(artifact: bytes) -> None:
    estimator = Estimator(unpacked(artifact))
    easy = estimator.estimate("which virus attacks the cells of birds and 12 boats?")
    hard = estimator.estimate("does the statute of the court bind birds and 12 boats?")

    assert hard.complexity > easy.complexity
    assert hard.gain > easy.gain
    assert (easy.subject, hard.subject) == ("health", "law")


def test_a_question_is_in_one_fold_whatever_the_frame_around_it() -> None:
    row = rows_made(2)[0]
    framed = msgspec.structs.replace(row, id="zeroeval/x", prompt=f"## Question: \n\n{row.prompt}\n\n## Instruction \n\nanswer")

    assert asked(framed.prompt) == row.prompt.strip()
    assert len(set(folds_of(table_of([row, row])).tolist())) == 1


def test_a_question_is_in_one_fold_whatever_its_options() -> None:
    row = rows_made(2)[0]
    few, many = (
        msgspec.structs.replace(row, prompt=f"Which way is up?\nA. left\nB. {more}") for more in ("right", "right\nC. neither\nD. all")
    )

    assert len(set(folds_of(table_of([few, many])).tolist())) == 1


def test_the_command_writes_the_artifact_and_its_card(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = b"\n".join(msgspec.json.encode(row) for row in rows_made(80))
    (tmp_path / "made.jsonl.gz").write_bytes(gzip.compress(lines))

    main(["learn", "build", str(tmp_path), str(tmp_path / "estimator.bin")])

    written = (tmp_path / "estimator.bin").read_bytes()
    assert capsys.readouterr().out.strip() == digest_of(written)
    assert digest_of(written) in (tmp_path / "estimator.md").read_text()
    assert unpacked(written).words.dtype == np.float32


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("build", "{}", "{}/no/estimator.bin"), "there is no folder {}/no"),
        (("build", "{}", "{}/estimator.bin"), "found 0"),
        (("evaluate", "{}"), "found 0"),
        (("evaluate", "{}", "--plot", "{}/no/quality.svg"), "there is no folder {}/no"),
        (("evaluate", "{}", "--plot", "{}/quality.pdf"), "expected a name that ends in .svg or .png"),
    ],
)
def test_what_cannot_be_done_is_said_before_the_work(
    arguments: tuple[str, ...], why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["learn", *(argument.format(tmp_path) for argument in arguments)]) == 1

    told = capsys.readouterr().err
    assert told.startswith("pointsman: ")
    assert why.format(tmp_path) in told


def test_a_folder_without_rows_is_said_to_be_so(tmp_path: Path) -> None:
    with pytest.raises(BadRows, match=r"expected 60 rows or more .* found 0"):
        read_rows(tmp_path)


def test_all_that_is_wrong_with_rows_is_told_at_once_with_its_line(tmp_path: Path) -> None:
    good = msgspec.json.encode(rows_made(2)[0])
    lines = (good, b"{", b'{"source": "s", "id": "1", "prompt": "p", "models": {}}', good.replace(b'"score":1.0', b'"score":5.0'))
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(b"\n".join(lines)))
    (tmp_path / "b.jsonl.gz").write_bytes(b"no gzip")

    with pytest.raises(BadRows) as raised:
        read_rows(tmp_path)

    told = str(raised.value).splitlines()
    assert [line.partition(": ")[0].removeprefix(f"{tmp_path}/") for line in told] == [
        "a.jsonl.gz:2",
        "a.jsonl.gz:3",
        "a.jsonl.gz:4",
        "b.jsonl.gz",
    ]
    assert ["malformed" in told[0] or "truncated" in told[0], "`task`" in told[1], "<= 1" in told[2], "gzip" in told[3]] == [True] * 4


def test_the_card_of_own_rows_says_nothing_of_public_ones() -> None:
    own = [msgspec.structs.replace(row, source="ours", id=f"ours/{at}") for at, row in enumerate(rows_made(4))]

    assert "Llama" not in card(own, digest="d", size=1, report=None)
    assert "Llama" in card(rows_made(4), digest="d", size=1, report=None)


def test_ones_own_outcomes_are_learned_from_with_models_and_tasks_of_any_name() -> None:
    renamed = {"mixtral-8x7b-instruct-v0.1": "ours-small", "gpt-4-1106-preview": "ours-large"}
    own = [
        msgspec.structs.replace(row, id=row.id.partition("/")[2], source="ours", task=("extract", "code")[row.task == "mmlu/professional_law"],
                                models={renamed[name]: outcome for name, outcome in row.models.items()})
        for row in rows_made() if row.id.startswith("routellm_mmlu")
    ]  # fmt: skip
    estimator = Estimator(train(table_of(own)))
    easy = estimator.estimate("which virus attacks the cells of birds and 12 boats?")
    hard = estimator.estimate("does the statute of the court bind birds and 12 boats?")

    assert (easy.task, hard.task) == ("extract", "code")
    assert hard.complexity > easy.complexity


def test_a_source_that_two_models_did_not_answer_is_refused_by_name() -> None:
    row = msgspec.structs.replace(rows_made(2)[0], id="1", source="ours", models={})

    with pytest.raises(BadRows, match="source ours: expected two models or more"):
        table_of([row])
