"""What an editor of models.yaml may do with keys: name those that are meant for it, and send them where they are meant to go."""

from __future__ import annotations

import pytest

from fakes import catalog_yaml, model_yaml
from pointsman.core.rulefile import Trust, load
from pointsman.core.rulefile.trust import is_address
from pointsman.settings import Settings

TRUST = Trust(
    key_vars=("*_API_KEY",), keys_dir="/var/run/secrets/pointsman", hosts=("api.openai.com", "*.models.corp", "http://gpu-*.models.corp")
)
ROUTING = b"version: 1\nroutes: [{id: default, why: w, use: {candidates: [m]}}]\n"


def messages(provider: str, trust: Trust = TRUST) -> list[str]:
    models = catalog_yaml({"m": model_yaml()}).replace("{api: builtin}", f"{{api: openai, {provider}}}")
    found = load({"models.yaml": models.encode(), "routing.yaml": ROUTING}, trust=trust)
    assert (found.ruleset is None) is bool(found.problems)
    return [problem.message for problem in found.problems]


FINE = [
    "base_url: 'https://api.openai.com/v1', key: {env: OPENAI_API_KEY}",
    "base_url: 'https://eu.models.corp/v1', key: {file: /var/run/secrets/pointsman/eu}",
    "base_url: 'http://gpu-7.models.corp:8000/v1', internal: true, key: {env: GPU_API_KEY}",
    "base_url: 'https://anything.example/v1'",
]


@pytest.mark.parametrize("provider", FINE)
def test_keys_go_where_they_are_meant_to_and_without_a_key_anything_goes(provider: str) -> None:
    assert messages(provider) == []


BREACHES = {
    "base_url: 'https://api.openai.com/v1', key: {env: AWS_SECRET_ACCESS_KEY}": "variable 'AWS_SECRET_ACCESS_KEY' may not hold keys",
    "base_url: 'https://api.openai.com/v1', key: {env: POINTSMAN_VALKEY_URL}": "variable 'POINTSMAN_VALKEY_URL' may not hold keys",
    "base_url: 'https://api.openai.com/v1', key: {file: /etc/passwd}": "file '/etc/passwd' may not hold keys",
    "base_url: 'https://api.openai.com/v1', key: {file: /var/run/secrets/pointsman/../kubernetes.io/token}": "file '/var/run/secrets/pointsman/../kubernetes.io/token' may not hold keys",
    "base_url: 'https://api.openai.com/v1', key: {file: /var/run/secrets/pointsman-other/key}": "file '/var/run/secrets/pointsman-other/key' may not hold keys",
    "base_url: 'https://api.openai.com/v1', key: {file: key}": "file 'key' may not hold keys",
    "base_url: 'https://evil.example/v1', key: {env: OPENAI_API_KEY}": "keys may not be sent to 'evil.example'",
    "base_url: 'https://evilmodels.corp/v1', key: {env: OPENAI_API_KEY}": "keys may not be sent to 'evilmodels.corp'",
    "base_url: 'https://api.openai.com.evil.example', key: {env: OPENAI_API_KEY}": "keys may not be sent to 'api.openai.com.evil.example'",
    "base_url: 'http://169.254.169.254/', internal: true, key: {env: OPENAI_API_KEY}": "keys may not be sent to 'http://169.254.169.254'",
    "base_url: 'http://api.openai.com/v1', internal: true, key: {env: OPENAI_API_KEY}": "keys may not be sent to 'http://api.openai.com'",
    'base_url: "https://api.openai.com/v1", key: {file: "/var/run/secrets/pointsman/a\\0b"}': "file '/var/run/secrets/pointsman/a\ufffdb' may not hold keys",
    "base_url: 'https://api.openai.com@evil.example/', key: {env: OPENAI_API_KEY}": "this is no address of a provider",
    "base_url: 'https://evil.example\\@api.openai.com/', key: {env: OPENAI_API_KEY}": "this is no address of a provider",
    "base_url: 'https://evil.example#@api.openai.com/', key: {env: OPENAI_API_KEY}": "this is no address of a provider",
    "base_url: 'https://evil.example?x=api.openai.com', key: {env: OPENAI_API_KEY}": "this is no address of a provider",
    "base_url: 'https://еvil.models.corp/', key: {env: OPENAI_API_KEY}": "this is no address of a provider",
    "base_url: 'file:///etc/passwd', key: {env: OPENAI_API_KEY}": "this is no address of a provider",
}


@pytest.mark.parametrize("provider", BREACHES)
def test_what_oversteps_a_bound_is_an_error(provider: str) -> None:
    assert messages(provider) == [BREACHES[provider]]


def test_the_bounds_are_those_of_the_settings_and_shut_by_default() -> None:
    default = Settings.read({}).trust
    opened = Settings.read({"POINTSMAN_UPSTREAM_HOSTS": "*", "POINTSMAN_KEYS_DIR": "/secrets", "POINTSMAN_KEY_VARS": "LLM_*"}).trust
    own = "base_url: 'https://llm.corp/v1', key: {env: LLM_TOKEN}"

    assert messages(own, default) == ["keys may not be sent to 'llm.corp'", "variable 'LLM_TOKEN' may not hold keys"]
    assert messages(own, opened) == []
    assert messages("base_url: 'https://llm.corp/v1', key: {file: /secrets/llm}", opened) == []


def test_an_address_is_scheme_host_port_and_path() -> None:
    assert all(map(is_address, ("https://a", "http://a.b:80/c/d", "https://[::1]:8000/v1", "https://a_b-c.d/~x/%20")))
    assert not any(
        map(is_address, ("", "a.b", "ftp://a", "https://", "https:///x", "https://a b", "https://a/b?c", "https://a/b#c", "https://u:p@a"))
    )
