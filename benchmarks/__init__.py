"""Speed and memory, measured on whole commands; `python -m benchmarks.NAME`."""
