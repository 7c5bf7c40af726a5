"""The provider `anthropic`: the Messages API, as Anthropic defined it and some others serve it.

    call -> JSON (`wire`) -> HTTP -> JSON or events -> values (`wire`); `provider` does the steps in order

`wire` is pure. What it cannot read it refuses (AttemptFailed), so that a broken answer never looks like one.
"""

from pointsman.adapters.anthropic.provider import AnthropicProvider

__all__ = ["AnthropicProvider"]
