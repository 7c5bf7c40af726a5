"""The provider `openai`: Chat Completions, as OpenAI defined it and vLLM, llama.cpp and many others serve it.

    call -> JSON (`wire`) -> HTTP -> JSON or events -> values (`wire`); `provider` does the steps in order

`wire` is pure. What it cannot read it refuses (AttemptFailed), so that a broken answer never looks like one.
"""

from pointsman.adapters.openai.provider import OpenAiProvider

__all__ = ["OpenAiProvider"]
