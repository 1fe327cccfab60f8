"""Anthropic Messages clients to upstreams that speak OpenAI chat: `bridge.MessagesToChat`."""
