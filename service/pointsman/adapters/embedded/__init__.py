"""The embedded model: a small real language model that llama.cpp runs in a child process, so that there is one without network and key.

It proves the path end to end; it is no recommendation.

    which models there are, to the last bit (`models`) -> brought into the cache once, when asked to (`fetch`)
         -> run by llama.cpp, which speaks the OpenAI protocol on loopback (`child`, a process of its own)
         -> started, watched, started again and ended (`supervisor`), for as long as the rules in use name it (`fleet`)

A process of its own because llama.cpp is native code that may crash, and takes a core for seconds at a time.
"""

from pointsman.adapters.embedded.fetch import CannotFetch, fetch, installed
from pointsman.adapters.embedded.fleet import Fleet
from pointsman.adapters.embedded.models import KNOWN, EmbeddedModel
from pointsman.adapters.embedded.supervisor import State, Supervisor, supervise

__all__ = ["KNOWN", "CannotFetch", "EmbeddedModel", "Fleet", "State", "Supervisor", "fetch", "installed", "supervise"]
