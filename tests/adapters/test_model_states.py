"""An embedded model is healthy while its child process is ready; the states are one value until something changes."""

from __future__ import annotations

from fakes import catalog_yaml, model_yaml, ruleset_of
from pointsman.adapters.credentials import Keys
from pointsman.adapters.model_states import KnownStates

MODELS = catalog_yaml({"m": model_yaml(), "tiny": model_yaml().replace("provider: p", "provider: local")}).replace(
    "{api: builtin}", "{api: builtin}, local: {api: embedded, model: smollm2-135m}"
)
CATALOG = ruleset_of(MODELS, "version: 1\nroutes: [{id: default, why: w, use: {candidates: [m, tiny]}}]\n").catalog


def test_an_embedded_model_is_healthy_while_it_is_ready() -> None:
    ready = False
    known = KnownStates(CATALOG, Keys({}), lambda provider: ready and provider.model == "smollm2-135m")

    before = known.states()
    ready = True
    after = known.states()

    assert (before["tiny"].healthy, after["tiny"].healthy) == (False, True)
    assert before["m"].healthy
    assert known.states() is after
