"""One file per resource; a handler is parse, call, encode. To add one: its file, its line here."""

from __future__ import annotations

from gateway.routers import (
    audit,
    budgets,
    decisions,
    documents,
    escalation,
    health,
    inference,
    keys,
    learning,
    models,
    organization,
    reports,
    teams,
    validation,
    workflows,
)
from gateway.wiring import Route

_RESOURCES: tuple[Route, ...] = (
    *inference.ROUTES,
    *models.ROUTES,
    *decisions.ROUTES,
    *escalation.ROUTES,
    *learning.ROUTES,
    *validation.ROUTES,
    *workflows.ROUTES,
    *reports.ROUTES,
    *organization.ROUTES,
    *teams.ROUTES,
    *keys.ROUTES,
    *budgets.ROUTES,
    *audit.ROUTES,
    *health.ROUTES,
)
ROUTES: tuple[Route, ...] = (*_RESOURCES, *documents.routes(_RESOURCES))
