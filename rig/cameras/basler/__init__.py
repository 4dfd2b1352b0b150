"""Basler cameras behind pylon, and those that pylon emulates. Only this room imports pypylon."""

import warnings

with warnings.catch_warnings():
    # Its SWIG types have no __module__, which Python deprecates; where warnings are errors, that ends the interpreter.
    warnings.simplefilter("ignore", DeprecationWarning)
    import pypylon.pylon  # noqa: F401
