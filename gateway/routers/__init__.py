"""One file per resource; a handler is parse, call, encode. To add one: its file, its line here."""

from __future__ import annotations

from gateway.routers import chat, decisions, documents, health, messages, models, reports
from gateway.wiring import Route

_RESOURCES: tuple[Route, ...] = (
    *chat.ROUTES,
    *messages.ROUTES,
    *models.ROUTES,
    *decisions.ROUTES,
    *reports.ROUTES,
    *health.ROUTES,
)
ROUTES: tuple[Route, ...] = (*_RESOURCES, *documents.routes(_RESOURCES))
