"""What every bridge to an OpenAI-style chat upstream needs, whatever the client speaks."""
