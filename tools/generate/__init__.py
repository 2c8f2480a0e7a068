"""`make generate`: from the contracts in `specs/` to the code and contracts in `generated/`.

The way of a contract: upstream file (Swagger 2.0, `swagger.py`) -> tolerance (`tolerance.py`) -> overlay
(`overlay.py`) -> served contract (OpenAPI 3.0.3) -> pydantic models (`models.py`).
"""
