"""OpenAI Responses clients to upstreams that speak Anthropic's Messages: `bridge.ResponsesToMessages`."""
