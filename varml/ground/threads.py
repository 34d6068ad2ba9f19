"""One thread where bytes must not depend on the machine's cores: sums over several threads depend on how many."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def one_thread() -> Iterator[None]:
    """Run the block with one thread inside torch's operators, and restore their number."""
    import torch

    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(num_threads)


@contextmanager
def one_opencv_thread() -> Iterator[None]:
    """Run the block with one thread inside OpenCV's functions, and restore their number.

    OpenCV heeds no variable of the environment, so each of many workers would start a thread for every core.
    """
    import cv2

    num_threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(num_threads)
