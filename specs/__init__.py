"""The contracts and example bodies, as data; read them with `importlib.resources.files("specs")`."""
