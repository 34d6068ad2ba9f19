"""The best trials, trained end to end: does the order of cached features hold?"""
