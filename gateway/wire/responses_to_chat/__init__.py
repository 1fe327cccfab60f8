"""OpenAI Responses clients to upstreams that speak OpenAI chat: `bridge.ResponsesToChat`."""
