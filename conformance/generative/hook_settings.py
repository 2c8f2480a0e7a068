"""What the phase hands to the hooks, which run in another process."""

#: Names the environment variable that holds the hooks' settings, as JSON.
SETTINGS_VARIABLE = "TCCONF_GENERATIVE"
#: Names the one that holds the value of the Authorization header.
AUTHORIZATION_VARIABLE = "TCCONF_AUTHORIZATION"
