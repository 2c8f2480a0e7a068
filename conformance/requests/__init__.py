"""How a request is made: a recipe, named changes to it, and the bytes that go out."""
