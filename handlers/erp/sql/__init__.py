"""The destination `sql`: orders and shipments as plain tables in a database of the reader's own.

`rows` turns a merged order or shipment into rows and knows no database; `judging` decides what of them is written;
`tables` holds the columns; `storing` reads and writes in one transaction; `faults` says what an error of the
database means for an event; `destination` ties them together.
"""
