"""What can be wrong with models and with what they learn from."""

from __future__ import annotations


class ModelError(Exception):
    """A model cannot be used or made; the message says what to do."""


class TooLittle(ModelError):
    """The answers are too few, or too much alike, to learn from."""


class BadModel(ModelError):
    """A model's file is damaged, of another format, or not what it was."""


class Unavailable(ModelError):
    """The library of an engine cannot be used on this machine."""


class ModelBusy(ModelError):
    """Too many requests wait for the model already."""


class TooLate(ModelError):
    """The answer was not there when it was needed."""
