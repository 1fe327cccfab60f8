"""OpenAI chat clients to upstreams that speak Anthropic's Messages: `bridge.ChatToMessages`."""
