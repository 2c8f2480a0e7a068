"""OAuth 2.0 as a resource server: access tokens from client credentials (RFC 6749, section 4.4) are checked here.

The way of a token: `access_token.py` reads it and compares its claims with what we ask for, `key_set.py` verifies
its signature by the keys that `signing_keys.py` keeps fresh through `key_server.py`, and `issuers.py` decides.
`authority.py` derives an issuer's facts from the address that the customer enters in Tradecloud.
"""
