"""The HTTP service: raw video from strangers in, answers out."""
