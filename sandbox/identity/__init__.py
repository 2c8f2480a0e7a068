"""An identity provider in the shapes of Entra ID (v1, v2), AD FS and Azure AD B2C; client credentials only."""
