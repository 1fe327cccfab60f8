"""Programs for those who build the gateway; nothing here runs in production."""
