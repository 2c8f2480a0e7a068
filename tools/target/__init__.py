"""Our own service as a target of the conformance suite, with every state that it can be put into.

`python -m tools.target --help` lists the commands; a profile of the suite names them as its hooks. Everything
that belongs to one target is in one folder, so that several can be used side by side.
"""
