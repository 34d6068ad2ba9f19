"""Raw video in, scores out: the one way that prediction and serving take."""
