"""What the gateway calls: HTTP clients and libraries that speak for a vendor."""
