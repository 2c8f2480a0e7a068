"""What happens to orders and shipments on the platform, told as webhook events in the order in which it happens."""
