"""The child process that runs a model: llama.cpp, speaking the OpenAI protocol on a port of loopback that it picks.

    child.py MODEL_PATH      stdin: the API key in the first line, then nothing until it is closed
                             stdout: `ready PORT`, or `cannot REASON`, and nothing else ever

It ends when its stdin does, so that it outlives its parent in no way. The key comes by stdin because arguments and environment can be read
by others. Nothing of Pointsman is imported: that would take half a second and 50 MB for no use.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from pathlib import Path
from typing import Any, NoReturn, TextIO

PR_SET_PDEATHSIG = 1

CONTEXT_TOKENS = 8192
"""Of all slots together: what a call may have is half of it, 4096 tokens, which take half a minute to read."""
SLOTS = 2
BATCH_TOKENS = 64  # between two batches calls that were given up are dropped, and the other slot gets its turn: 0.5 s instead of 15 s


def main() -> NoReturn:
    """Serve until stdin ends."""
    parent = _parents_ear()
    _end_with_parent()
    key = sys.stdin.readline().strip()
    if not key:
        os._exit(1)  # the parent is gone already; without a key anyone could call
    try:
        port = _serve(Path(sys.argv[1]), key)
    except ImportError as error:
        _say(parent, f"cannot import xllamacpp: {error}")
        os._exit(1)
    except RuntimeError:
        _say(parent, f"cannot load {sys.argv[1]}: it is damaged, or there is too little memory")
        os._exit(1)
    _leave_ending_to_the_parent()
    _say(parent, f"ready {port}")
    parent.close()
    sys.stdin.read()
    os._exit(0)  # at once: there is nothing to keep, and destructors of llama.cpp would wait for calls


def _parents_ear() -> TextIO:
    """Return the true stdout, after everyone else's stdout and stderr are thrown away: what llama.cpp logs may quote prompts."""
    ear = os.fdopen(os.dup(1), "w")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for output in (1, 2):
        os.dup2(nowhere, output)
    return ear


def _say(ear: TextIO, line: str) -> None:
    print(" ".join(line.split()), file=ear, flush=True)


def _end_with_parent() -> None:
    """Have Linux kill this process when the parent dies; a second belt, for while llama.cpp loads and nobody reads stdin."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _leave_ending_to_the_parent() -> None:
    """Ignore signals that service managers send to a whole group: calls that the server still drains need the model.

    After llama.cpp started, since it sets handlers itself: they would end its service and leave the process.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def _serve(model: Path, key: str) -> int:
    """Return the port on which the model is served from now on. Raises ImportError without llama.cpp, RuntimeError if it cannot load."""
    import xllamacpp  # noqa: PLC0415 - it may be missing, and that is to be told

    server = xllamacpp.Server(_params(xllamacpp, model, key))
    _KEPT.append(server)
    return int(server.listening_address.rpartition(":")[2])


_KEPT: list[object] = []
"""A server without a reference to it ends."""


def _params(xllamacpp: Any, model: Path, key: str) -> Any:  # noqa: ANN401 - it ships no types
    params = xllamacpp.CommonParams()
    params.model.path = str(model)
    params.model_alias = {model.stem}  # else answers name the path
    params.hostnames, params.port, params.api_keys = ["127.0.0.1"], 0, [key]
    params.endpoint_slots = params.ui = False  # slots show prompts
    params.verbosity = -1
    # One thread: on a busy machine of two cores a second one makes it 3 to 40 times slower, and the router needs a core.
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.n_parallel = SLOTS
    params.n_ctx, params.fit_params, params.kv_unified = CONTEXT_TOKENS, False, False
    params.cache_type_k = params.cache_type_v = (
        xllamacpp.ggml_type.GGML_TYPE_Q8_0
    )  # 84 MB less than F16, no slower; 27 of 40 facts right, with F16 26
    params.cache_ram_mib = 0
    params.n_batch = params.n_ubatch = BATCH_TOKENS
    # So small a model rambles at the usual temperature and repeats itself without a penalty.
    params.sampling.temp, params.sampling.top_p, params.sampling.penalty_repeat = 0.2, 0.9, 1.1
    return params


if __name__ == "__main__":
    main()
