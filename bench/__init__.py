"""The benchmark, `make bench`: what one process accepts, beside stock connexion with the same contract."""
