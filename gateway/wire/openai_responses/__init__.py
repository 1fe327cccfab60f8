"""The OpenAI Responses dialect as clients speak it, without stored state: `codec.OpenAIResponses`."""
