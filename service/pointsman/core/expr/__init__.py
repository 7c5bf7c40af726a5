"""The language of conditions: a closed, total, statically typed subset of CEL.

text -> `lexer` -> `parser` (a tree of `syntax`) -> `checker` (types, facts, guards, ranges) -> `codegen` (Python code).
Whatever it accepts means the same in CEL, and cannot fail at run time: optional facts are guarded, divisors are non-zero literals, patterns
are linear-time. That is why "what if a condition errors?" has no answer here: it does not happen.
"""
