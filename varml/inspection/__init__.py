"""What a model sees of one video, as pictures for people."""
