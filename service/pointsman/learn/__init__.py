"""Learning of the estimator from public outcomes of models. Needs the extra `learn`; nothing here runs in a server."""
