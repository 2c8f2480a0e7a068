"""Documents that events name: which there are, where their content comes from, and the files they become."""
