"""The provider `builtin`: deterministic answers in process, with real token counts and a pace that the catalog sets.

It is no language model. It proves the path where there is no network and no key, stands in for slow, fast and failing models in tests, and
is what is left where no other model can run.

    call -> pace, injected failures, counts, cuts (`provider`)
         -> the first answer that fits (`answers`): a value (`arithmetic`), an edited text (`texts`), a `summary`, or an echo
         -> in JSON where that is asked for, by the schema that is given (`instance`)

All but `provider` is pure and total: the same ask gives the same answer, every ask has one, and only a bad JSON Schema raises (ValueError).
The time taken grows with the ask and no faster: a pattern sees either a short instruction, or the whole text in a form that cannot
backtrack over it.
"""

from pointsman.adapters.builtin.provider import BuiltinProvider

__all__ = ["BuiltinProvider"]
