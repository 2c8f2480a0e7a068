"""A stand-in for the API of Tradecloud's platform: login, stored documents, poll endpoints."""
