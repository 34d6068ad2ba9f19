"""Random changes of a clip for training, one a file; each acts on all frames and on their flow together."""
