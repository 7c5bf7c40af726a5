"""models.yaml -> Catalog: references, prices from their text, and what only makes sense together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal

from pointsman.core.catalog import EMBEDDED, Catalog, Model, Pace, Price, PromptCache, Provider, Quirks
from pointsman.core.diagnostics import Problem, Severity, did_you_mean
from pointsman.core.money import nano_usd
from pointsman.core.rulefile.documents import ABILITY_KEYS, ModelDoc, ModelsDoc, PaceDoc, ProviderDoc
from pointsman.core.rulefile.structure import problem_at, salvage
from pointsman.core.rulefile.terms import seconds
from pointsman.core.rulefile.trust import UNBOUND, Trust, breaches, is_address
from pointsman.core.tokenisers import TOKENISERS
from pointsman.core.yamlnodes import Mapping, Node, Scalar, find, key_of

_REMOTE = ("openai", "anthropic")


class CatalogReader:
    """Reads models.yaml; problems gather in `problems`. The ids in it are known even where their entries are wrong."""

    def __init__(self, root: Node, file: str, problems: list[Problem], trust: Trust = UNBOUND) -> None:
        self._root = root
        self._file = file
        self._problems = problems
        self._trust = trust
        self.models = _keys(root, "models")
        self.providers = _keys(root, "providers")
        self.aliases = _keys(root, "aliases")
        tiers = [str(item.value) for item in getattr(find(root, ("tiers",)), "items", ()) if isinstance(item, Scalar)]
        self.tiers = tuple(tiers) if "tiers" in _entries(root) else tuple(ModelsDoc.model_fields["tiers"].default)

    def read(self) -> Catalog | None:
        """Return the catalog, or None where a model or provider could not be read at all."""
        providers = [self._provider(name) for name in self.providers]
        models = [self._model(name) for name in self.models]
        aliases = {name: self._alias(name) for name in self.aliases}
        read_providers = {provider.id: provider for provider in providers if provider}
        read_models = {model.id: model for model in models if model}
        if len(read_providers) < len(providers) or len(read_models) < len(models):
            return None
        return Catalog(models=read_models, providers=read_providers, tiers=self.tiers, aliases=aliases)

    def expand(self, name: str) -> tuple[str, ...]:
        """Return the models behind an id or alias; empty for a name that is neither."""
        if name in self.models:
            return (name,)
        items = getattr(find(self._root, ("aliases", name)), "items", ()) if name in self.aliases else ()
        return tuple(str(item.value) for item in items if isinstance(item, Scalar) and str(item.value) in self.models)

    @property
    def tags(self) -> frozenset[str]:
        """All tags of all models."""
        return frozenset(tag for name in self.models for tag in self._tags(name))

    def select(self, *, models: Iterable[str], tiers: Iterable[str], providers: Iterable[str], tags: Iterable[str]) -> frozenset[str]:
        """Return the models that are named, or of one of the tiers or providers, or have one of the tags."""
        wanted = frozenset(models), frozenset(tiers), frozenset(providers), frozenset(tags)
        return frozenset(name for name in self.models if self._is_selected(name, *wanted))

    def _is_selected(
        self, name: str, models: frozenset[str], tiers: frozenset[str], providers: frozenset[str], tags: frozenset[str]
    ) -> bool:
        tier, provider = self._text(name, "tier"), self._text(name, "provider")
        return name in models or tier in tiers or provider in providers or not tags.isdisjoint(self._tags(name))

    def _text(self, model: str, key: str) -> str:
        node = self._at("models", model, key)
        return node.text if isinstance(node, Scalar) else ""

    def _tags(self, model: str) -> list[str]:
        entry = self._at("models", model)
        node = entry.entries["tags"].node if isinstance(entry, Mapping) and "tags" in entry.entries else None
        return [item.text for item in getattr(node, "items", ()) if isinstance(item, Scalar)]

    def _at(self, *path: str | int) -> Node:
        return find(self._root, path)

    def _key(self, *path: str) -> Node:
        parent = self._at(*path[:-1])
        return key_of(parent, path[-1]) if isinstance(parent, Mapping) and path[-1] in parent.entries else parent

    def _error(self, node: Node, message: str, help_: str = "") -> None:
        self._problems.append(problem_at(node, self._file, message, help_))

    def _warn(self, node: Node, message: str, help_: str = "") -> None:
        self._problems.append(problem_at(node, self._file, message, help_, severity=Severity.WARNING))

    def _provider(self, name: str) -> Provider | None:
        path = ("providers", name)
        doc = salvage(ProviderDoc, self._at(*path))
        if doc is None:
            return None
        if doc.api in _REMOTE and not doc.base_url:
            self._error(self._key(*path), f"provider '{name}' has no base_url", f"api {doc.api} is called at an address")
        if doc.base_url.startswith("http://") and not doc.internal:
            self._error(
                self._at(*path, "base_url"), "http:// is allowed for internal providers only", "use https://, or say internal: true"
            )
        elif doc.base_url and not is_address(doc.base_url):
            self._error(self._at(*path, "base_url"), "this is no address of a provider", "write https://HOST/PATH, without user or query")
        for below, message, help_ in breaches(doc, self._trust):
            self._error(self._at(*path, *below), message, help_)
        if doc.api == "embedded" and doc.model not in EMBEDDED:
            self._error(
                self._key(*path), f"provider '{name}' names no model that can be embedded", f"give model: one of {', '.join(EMBEDDED)}"
            )
        if doc.key and bool(doc.key.env) == bool(doc.key.file):
            self._error(self._key(*path, "key"), "a key has one source", "give either env or file")
        key, limits = doc.key, doc.limits
        return Provider(
            id=name,
            api=doc.api,
            base_url=doc.base_url,
            key_env=key.env if key else "",
            key_file=key.file if key else "",
            model=doc.model,
            internal=doc.internal or doc.api == "embedded",
            max_in_flight=doc.max_in_flight,
            requests_per_minute=limits.rpm if limits else None,
            tokens_per_minute=limits.tpm if limits else None,
        )

    def _model(self, name: str) -> Model | None:
        path = ("models", name)
        doc = salvage(ModelDoc, self._at(*path))
        if doc is None:
            return None
        self._check_references(doc, path)
        ability = {task: float(share) for task, share in doc.ability.items() if task in ABILITY_KEYS and not isinstance(share, bool)}
        return Model(
            id=name,
            provider=doc.provider,
            upstream=doc.upstream,
            tier=doc.tier,
            ability={"default": 0.0} | ability,
            ability_estimated=doc.ability.get("estimated") is True,
            price=self._price(doc, path),
            context_window=doc.context_window,
            max_output=doc.max_output,
            capabilities=frozenset(doc.capabilities),
            tokenizer=doc.tokenizer,
            ttft_ms=doc.latency.ttft_ms,
            tokens_per_s=doc.latency.tokens_per_s,
            tags=frozenset(doc.tags),
            pace=_pace(doc.options),
            quirks=self._quirks(doc),
            prompt_cache=PromptCache(min_tokens=kept.min_tokens, ttl_s=seconds(kept.ttl)) if (kept := doc.prompt_cache) else None,
        )

    def _quirks(self, doc: ModelDoc) -> Quirks:
        provider = salvage(ProviderDoc, self._at("providers", doc.provider)) if doc.provider in self.providers else None
        told = [quirks.model_dump(exclude_none=True) for quirks in (provider.quirks if provider else None, doc.quirks) if quirks]
        return Quirks(**{name: value for quirks in told for name, value in quirks.items()})

    def _check_references(self, doc: ModelDoc, path: tuple[str, str]) -> None:
        if doc.provider not in self.providers:
            self._error(self._at(*path, "provider"), f"unknown provider '{doc.provider}'", did_you_mean(doc.provider, self.providers))
        if doc.tier not in self.tiers:
            self._error(self._at(*path, "tier"), f"unknown tier '{doc.tier}'", did_you_mean(doc.tier, self.tiers))
        if doc.tokenizer not in TOKENISERS:
            self._error(self._at(*path, "tokenizer"), f"unknown tokenizer '{doc.tokenizer}'", did_you_mean(doc.tokenizer, TOKENISERS))
        if doc.options and find(self._root, ("providers", doc.provider, "api")) is not None and not self._is_builtin(doc.provider):
            self._error(self._key(*path, "options"), "options are for models of the built-in provider")
        self._check_ability(doc, path)

    def _is_builtin(self, provider: str) -> bool:
        api = self._at("providers", provider, "api")
        return isinstance(api, Scalar) and api.value == "builtin"

    def _check_ability(self, doc: ModelDoc, path: tuple[str, str]) -> None:
        if "default" not in doc.ability:
            self._error(self._key(*path, "ability"), "'default' is missing", "it stands for every task that is not named")
        for task, share in doc.ability.items():
            place = self._key(*path, "ability", task)
            if task not in ABILITY_KEYS:
                self._error(place, f"unknown task '{task}'", did_you_mean(task, ABILITY_KEYS))
            elif isinstance(share, bool) is not (task == "estimated"):
                self._error(self._at(*path, "ability", task), "'estimated' is true or false, the others are shares from 0 to 1")

    def _price(self, doc: ModelDoc, path: tuple[str, str]) -> Price:
        amounts = {kind: self._amount(*path, "price", kind) for kind in ("input", "cached_input", "cache_write", "output")}
        plain = amounts["input"] or 0
        if not doc.price.nominal and not (doc.price.source and doc.price.as_of):
            self._warn(
                self._key(*path, "price"), "the price has no source and date", "add source and as_of, or nominal: true where it is made up"
            )
        cached, written = amounts["cached_input"], amounts["cache_write"]
        return Price(
            input=plain,
            cached_input=plain if cached is None else cached,
            cache_write=plain if written is None else written,
            output=amounts["output"] or 0,
            nominal=doc.price.nominal,
        )

    def _amount(self, *path: str) -> int | None:
        """Return the price in nano-USD per million tokens, read from its text; None where there is none."""
        if path[-1] not in _entries(self._at(*path[:-1])):
            return None
        node = self._at(*path)
        value = node.value if isinstance(node, Scalar) else None
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            return None
        amount = nano_usd(Decimal(value))
        if amount is None:
            self._error(node, f"{value} is no price", "USD per million tokens, not negative, with at most nine digits after the point")
        return amount

    def _alias(self, name: str) -> tuple[str, ...]:
        if name in self.models:
            self._error(self._key("aliases", name), f"'{name}' is a model, so it cannot be an alias, too")
        for item in getattr(self._at("aliases", name), "items", ()):
            if isinstance(item, Scalar) and str(item.value) not in self.models:
                self._error(item, f"model '{item.value}' is not in the catalog", did_you_mean(str(item.value), self.models))
        return self.expand(name)


def _entries(node: Node) -> Iterator[str]:
    return iter(node.entries) if isinstance(node, Mapping) else iter(())


def _keys(root: Node, section: str) -> tuple[str, ...]:
    return tuple(_entries(find(root, (section,)))) if section in _entries(root) else ()


def _pace(doc: PaceDoc | None) -> Pace:
    return Pace(ttft_ms=doc.ttft_ms, tokens_per_s=doc.tokens_per_s, error_rate=doc.error_rate) if doc else Pace()
