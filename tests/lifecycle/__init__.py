"""The scripted life cycle: what the platform says of some hundred orders, told by a second reading of the contract.

Knows the service by HTTP and its command line alone; nothing here may import `handlers.mirror`, or a mistake in
merging would cancel itself out.
"""
