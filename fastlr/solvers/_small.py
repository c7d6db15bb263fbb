"""Small problems: many updates of Newton's method in one compiled call, where Python would take longer than the update."""

from collections.abc import Callable, Iterator

import numpy as np

from fastlr._standardised import Standardised
from fastlr.solvers import Options
from fastlr.solvers._quasi_newton import RIDGE, Iterate

_UPDATES_A_CALL = 100           # Ctrl-C is answered between calls


def newton_in_calls(problem: Standardised, u: np.ndarray, options: Options,
                    go_on: Callable[[np.ndarray], Iterator[Iterate]]) -> Iterator[Iterate]:
    """One iterate for each compiled call, and those of `go_on` from where a call can't lower J any more.

    A callback gets to see every update, so there is one a call then.  What an update does depends on u alone.
    """
    made = 0
    updates = 0 if options.callback is not None else _UPDATES_A_CALL
    while True:
        asked = min(updates, options.most_updates - made)
        u, cost, grad, p, before, is_sound = problem.newton(u, RIDGE, options.tol, asked)
        if not is_sound:
            break
        yield Iterate(u, cost, grad, None, p, -0.5 * float(grad @ p), problem.gradient_norm(grad), before)
        if asked > 0 and len(before) == 0:       # the gradient is at most tol, even if that is 0
            return
        made += len(before)
        updates = 1 if options.callback is not None else _UPDATES_A_CALL
    for k, point in enumerate(go_on(u)):
        yield point if k > 0 else point._replace(before=before)
