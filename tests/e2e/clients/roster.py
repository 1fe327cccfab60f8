"""The clients under test, a row of the table each; to add one: its class, its line in its file."""

from __future__ import annotations

import agent_clients
import anthropic_clients
import framework_clients
import node_clients
import openai_clients
from client import Client

CLIENTS: tuple[type[Client], ...] = (
    *openai_clients.CLIENTS,
    *anthropic_clients.CLIENTS,
    *framework_clients.CLIENTS,
    *node_clients.CLIENTS,
    *agent_clients.CLIENTS,
)
