"""Tools of the people who develop this project; nothing here is installed with it."""
