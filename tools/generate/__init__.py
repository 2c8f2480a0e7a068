"""`make generate`: from the contracts in `specs/` to the code and contracts in `generated/`.

The way of a contract (`pipeline.py`): upstream file (`upstream.py`) -> OpenAPI, whatever form the file has
(`swagger.py`, with `operation.py` and `composition.py`) -> tolerance (`tolerance.py`) -> names of tXML elements
(`element_names.py`) -> overlays (`overlay.py`) -> served contract (OpenAPI 3.0.3) -> pydantic models (`models.py`).
"""
