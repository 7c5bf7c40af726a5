"""The catalog as AdminService shows it."""

from __future__ import annotations

from msgspec import Struct

from pointsman.core.catalog import Price
from pointsman.core.market import ModelState
from pointsman.core.vocabulary import DropReason
from pointsman.router import ModelStatus
from pointsman.v1 import admin_service_pb2 as admin_pb
from pointsman.wire.codec.scalars import known, money_to_pb, ms_from_pb, ms_to_pb


class ListedModel(Struct, frozen=True, kw_only=True):
    """A model as a client sees it. `unavailable` says why it cannot serve now; None if it can."""

    id: str
    provider: str
    upstream: str
    tier: str
    capabilities: tuple[str, ...]
    tags: tuple[str, ...]
    context_window: int
    price: Price
    unavailable: DropReason | None
    ttft_ms: float
    aliases: tuple[str, ...]


def listed(status: ModelStatus) -> ListedModel:
    """Return a model with its state as a client sees it."""
    model, state = status.model, status.state
    return ListedModel(
        id=model.id,
        provider=model.provider,
        upstream=model.upstream,
        tier=model.tier,
        capabilities=tuple(sorted(model.capabilities)),
        tags=tuple(sorted(model.tags)),
        context_window=model.context_window,
        price=model.price,
        unavailable=_unavailable(state),
        ttft_ms=model.ttft_ms if state.ttft_ms is None else state.ttft_ms,
        aliases=status.aliases,
    )


def listed_model_to_pb(model: ListedModel) -> admin_pb.Model:
    """Return a listed model as a message."""
    price = model.price
    return admin_pb.Model(
        id=model.id,
        provider=model.provider,
        upstream_model=model.upstream,
        tier=model.tier,
        capabilities=model.capabilities,
        tags=model.tags,
        context_window=model.context_window,
        price=admin_pb.Price(
            input=money_to_pb(price.input),
            cached_input=money_to_pb(price.cached_input),
            cache_write=money_to_pb(price.cache_write),
            output=money_to_pb(price.output),
            nominal=price.nominal,
        ),
        unavailable=model.unavailable or 0,  # type: ignore[arg-type]  # the numbers are those of the wire
        time_to_first_token=ms_to_pb(model.ttft_ms),
        aliases=model.aliases,
    )


def listed_model_from_pb(message: admin_pb.Model) -> ListedModel:
    """Return a model that a server listed."""
    price = message.price
    return ListedModel(
        id=message.id,
        provider=message.provider,
        upstream=message.upstream_model,
        tier=message.tier,
        capabilities=tuple(message.capabilities),
        tags=tuple(message.tags),
        context_window=message.context_window,
        price=Price(
            input=price.input.nano_usd,
            cached_input=price.cached_input.nano_usd,
            cache_write=price.cache_write.nano_usd,
            output=price.output.nano_usd,
            nominal=price.nominal,
        ),
        unavailable=known(DropReason, message.unavailable) if message.unavailable else None,
        ttft_ms=ms_from_pb(message.time_to_first_token),
        aliases=tuple(message.aliases),
    )


def _unavailable(state: ModelState) -> DropReason | None:
    if not state.has_credential:
        return DropReason.NO_CREDENTIAL
    if not state.healthy:
        return DropReason.UNHEALTHY
    return None if state.has_room else DropReason.CAPACITY
