"""What events are handed over to: one module or package for each type of destination.

`http` posts them to an address, `folder` drops them as files, `python` lends them to a class of an integrator's own
(`examples/` has a worked one), `sql` keeps tables of orders and shipments. All keep to
`handlers.interface.Destination`.
"""
