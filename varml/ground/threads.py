"""One thread where bytes must not depend on the machine's cores: sums over several threads depend on how many."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager


def one_thread() -> AbstractContextManager[None]:
    """Run the block with one thread inside torch's operators, and restore their number."""
    import torch

    return _one(torch.get_num_threads, torch.set_num_threads)


def one_opencv_thread() -> AbstractContextManager[None]:
    """Run the block with one thread inside OpenCV's functions, and restore their number.

    OpenCV heeds no variable of the environment, so each of many workers would start a thread for every core.
    """
    import cv2

    return _one(cv2.getNumThreads, cv2.setNumThreads)


@contextmanager
def _one(get: Callable[[], int], set_to: Callable[[int], None]) -> Iterator[None]:
    num_threads = get()
    set_to(1)
    try:
        yield
    finally:
        set_to(num_threads)
