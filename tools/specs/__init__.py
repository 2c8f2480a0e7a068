"""`make specs`: Tradecloud's live Swagger files against ours in `specs/upstream/`.

The way of a file: fetched (`live.py`) -> compared (`comparison.py`) -> shown (`report.py`) -> with `--replace`
written over ours, if the generator can work with it (`replacement.py`).
"""
