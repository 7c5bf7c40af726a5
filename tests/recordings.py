"""What servers of Chat Completions send: whole replies as bytes, streams as the data of their events."""

from __future__ import annotations

OPENAI = rb"""{"id":"chatcmpl-B9","object":"chat.completion","created":1795000000,"model":"gpt-x-2026-08-01","choices":[{"index":0,
"message":{"role":"assistant","content":"Gr\u00fc\u00df Gott \ud83d\ude00","refusal":null,"annotations":[]},"logprobs":null,"finish_reason":"stop"}],
"usage":{"prompt_tokens":1200,"completion_tokens":30,"total_tokens":1230,
"prompt_tokens_details":{"cached_tokens":1024,"audio_tokens":0,"cache_write_tokens":100},
"completion_tokens_details":{"reasoning_tokens":20,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}},
"service_tier":"default","system_fingerprint":"fp_1"}"""
OPENAI_TOOLS = rb"""{"choices":[{"index":0,"message":{"role":"assistant","content":null,"tool_calls":[
{"id":"call_1","type":"function","function":{"name":"weather","arguments":"{\"city\":\"Graz\"}"}},
{"id":"call_2","type":"function","function":{"name":"time","arguments":"{}"}}],"refusal":null},"finish_reason":"tool_calls"}],
"usage":{"prompt_tokens":82,"completion_tokens":34,"total_tokens":116}}"""
OPENAI_REFUSAL = b"""{"choices":[{"message":{"role":"assistant","content":null,"refusal":"I cannot help."},"finish_reason":"stop"}],
"usage":{"prompt_tokens":9,"completion_tokens":4}}"""
LLAMA = b"""{"choices":[{"finish_reason":"length","index":0,"message":{"role":"assistant","reasoning_content":"Hm","content":"The sea"}}],
"created":1795000000,"model":"qwen.gguf","system_fingerprint":"b9000","object":"chat.completion","usage":{"completion_tokens":2,"prompt_tokens":11,
"total_tokens":13},"id":"chatcmpl-x","timings":{"prompt_n":11,"prompt_ms":31.5,"predicted_n":2,"predicted_ms":20.1}}"""
VLLM = b"""{"id":"chatcmpl-7","object":"chat.completion","model":"m","choices":[{"index":0,"message":{"role":"assistant","reasoning":null,
"content":"4","tool_calls":[]},"logprobs":null,"finish_reason":"stop","stop_reason":null,"token_ids":null}],"service_tier":null,
"usage":{"prompt_tokens":5,"total_tokens":7,"completion_tokens":2,"prompt_tokens_details":null},"prompt_logprobs":null,"kv_transfer_params":null}"""


def chunk(delta: str = "{}", finish: str = "null", rest: str = "") -> str:
    """Return the data of one event; `rest` goes beside the choice."""
    return f'{{"object":"chat.completion.chunk","choices":[{{"index":0,"delta":{delta},"finish_reason":{finish}}}]{rest}}}'


USAGE = ',"usage":{"prompt_tokens":9,"completion_tokens":3,"total_tokens":12}'

OPENAI_STREAM = [
    chunk('{"role":"assistant","content":"","refusal":null}', rest=',"usage":null,"obfuscation":"xK3"'),
    chunk('{"content":"Hel"}', rest=',"usage":null'),
    chunk('{"content":"lo"}', rest=',"usage":null'),
    chunk(finish='"stop"', rest=',"usage":null'),
    '{"object":"chat.completion.chunk","choices":[]' + USAGE + "}",
]
OPENAI_TOOLS_STREAM = [
    chunk(
        '{"role":"assistant","content":null,"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"f","arguments":""}}]}'
    ),
    chunk('{"tool_calls":[{"index":0,"function":{"arguments":"{\\"a\\""}}]}'),
    chunk('{"tool_calls":[{"index":0,"function":{"arguments":":1}"}}]}'),
    chunk('{"tool_calls":[{"index":1,"id":"call_2","type":"function","function":{"name":"g","arguments":"{}"}}]}'),
    chunk(finish='"tool_calls"'),
]
LLAMA_STREAM = [
    chunk('{"role":"assistant","content":null}'),
    chunk('{"content":"Hello"}', rest=',"timings":{"cache_n":0}'),
    chunk(finish='"length"', rest=USAGE),
]
VLLM_STREAM = [
    chunk('{"role":"assistant","content":""}', rest=',"usage":{"prompt_tokens":9,"completion_tokens":0}'),
    chunk(
        '{"tool_calls":[{"id":"a1","type":"function","index":0,"function":{"name":"f"}}]}',
        rest=',"usage":{"prompt_tokens":9,"completion_tokens":1}',
    ),
    chunk('{"tool_calls":[{"id":"b2","type":"function","index":0,"function":{"name":"f","arguments":"{}"}}]}', rest=USAGE),
    chunk(finish='"tool_calls","stop_reason":null', rest=USAGE),
]
REFUSAL_STREAM = [chunk('{"role":"assistant","refusal":"No"}'), chunk('{"refusal":"."}'), chunk(finish='"stop"')]
UNNUMBERED_STREAM = [
    chunk(
        '{"tool_calls":[{"id":"1","function":{"name":"f","arguments":"{}"}},{"id":"2","function":{"name":"g","arguments":"{}"}}]}',
        finish='"stop"',
    ),
]
PROXIED_STREAM = [
    chunk('{"role":"assistant","content":"Hello"}', finish='""'),
    chunk(finish='"stop"', rest=USAGE),
    '{"choices":[],"usage":null}',
]

REPLIES = [OPENAI, OPENAI_TOOLS, OPENAI_REFUSAL, LLAMA, VLLM]
STREAMS = [OPENAI_STREAM, OPENAI_TOOLS_STREAM, LLAMA_STREAM, VLLM_STREAM, REFUSAL_STREAM, UNNUMBERED_STREAM, PROXIED_STREAM]
