"""tXML, the platform's XML twin of the JSON bodies: bytes to the values that JSON would have given, and back.

Pure: no input or output, and no list of fields. What an element means is read off the contract (`mapping.py`).
The way of a body: its bytes become UTF-8 (`encoding.py`), then elements, with everything switched off that fetches
or expands (`parsing.py`), and these the JSON shape (`reader.py`). `writer.py` is the way back.

The same rules hold for orders and for shipments. Nothing public shows a shipment in tXML.
"""

from service.txml.mapping import Mapping
from service.txml.reader import read
from service.txml.writer import LOSSES, write

__all__ = ["LOSSES", "Mapping", "read", "write"]
