"""Merging one event into the current order or shipment: pure functions without a store.

`orders` and `shipments` merge; `marks` judges which of two states is newer, `lines` which of two lines are the
same one, `documents` keeps what was ever attached. `changes` and `agreed` tell what became of a member, `echo`
what is only an answer to our own request.

Nothing given to these functions is modified, and what they give back shares parts with it: leave it as it is.
"""
