"""Pointsman decides which language model serves each request, by rules that people can read, and can call it too. Over gRPC."""

from importlib.metadata import version

from pointsman.client import Client, Tls
from pointsman.core.completion import Completion, Usage
from pointsman.core.decision import Decision
from pointsman.core.errors import PointsmanError
from pointsman.core.request import CachePolicy, Context, Generation, Message, Prompt, Request, Requirements, ResponseFormat, Tool
from pointsman.core.vocabulary import CacheMode, Role

__version__ = version("pointsman")

__all__ = [
    "CacheMode",
    "CachePolicy",
    "Client",
    "Completion",
    "Context",
    "Decision",
    "Generation",
    "Message",
    "PointsmanError",
    "Prompt",
    "Request",
    "Requirements",
    "ResponseFormat",
    "Role",
    "Tls",
    "Tool",
    "Usage",
]
