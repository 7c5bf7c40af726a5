"""An embedded model is healthy while its child process is ready; the states are one value until something changes."""

from __future__ import annotations

from fakes import catalog_yaml, model_yaml, ruleset_of
from pointsman.adapters.credentials import Keys
from pointsman.adapters.model_states import KnownStates

MODELS = catalog_yaml({"m": model_yaml(), "tiny": model_yaml().replace("provider: p", "provider: local")}).replace(
    "{api: builtin}", "{api: builtin}, local: {api: embedded, model: smollm2-135m}"
)
ROUTES = "version: 1\nroutes: [{id: default, why: w, use: {candidates: [m]}}]\n"
CATALOG = ruleset_of(MODELS, ROUTES).catalog


def test_an_embedded_model_is_healthy_while_it_is_ready() -> None:
    ready = False
    known = KnownStates(Keys({}), lambda provider: ready and provider.model == "smollm2-135m")

    before = known.states(CATALOG)
    ready = True
    after = known.states(CATALOG)

    assert (before["tiny"].healthy, after["tiny"].healthy) == (False, True)
    assert before["m"].healthy
    assert known.states(CATALOG) is after


def test_another_catalog_has_states_of_its_own() -> None:
    """Rules are replaced whole: what was known of models before says nothing of those that follow."""
    far = catalog_yaml({"m": model_yaml()}).replace("{api: builtin}", "{api: openai, base_url: 'https://x', key: {env: X_API_KEY}}")
    known = KnownStates(Keys({}), lambda _: True)

    before, after = known.states(CATALOG), known.states(ruleset_of(far, ROUTES).catalog)

    assert (before["m"].has_credential, after["m"].has_credential) == (True, False)
    assert (set(before), set(after)) == ({"m", "tiny"}, {"m"})
