"""The warnings that fastlr issues about a result."""


class ConvergenceWarning(UserWarning):
    """The parameters are not the optimum that was asked for; the text says why and what to do."""


class SeparationWarning(ConvergenceWarning):
    """The classes can be told apart without error, so that no finite optimum exists."""
