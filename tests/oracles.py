"""What small problems are known to have: whether the classes are separated, by integers, and J*, in long double.

Everything rests on one exact object.  The rows (x_i, 1) of the data are integers, up to a unit of each column.  Some of them are
a basis: every row is a sum of coordinates times the rows of the basis.  In these coordinates

- the parameters are the margins u_k of the rows of the basis, so that collinear columns need no care and far ones cancel exactly;
- a direction that moves one row of the basis only moves row i by one of its coordinates: whether some such direction separates
  the classes, or none does, is read off the signs of integers.

The coordinates of a good basis are moderate, and are rounded once, to long double.  Newton's method goes to J* in them.
"""

import functools
import math
from fractions import Fraction

import numpy as np

REAL = np.longdouble
EPS = float(np.finfo(np.float64).eps)
MOST_EXCHANGES = 2000


def as_integers(column):
    """Integers, and the unit that they are multiples of, for float64 numbers."""
    ratios = [value.as_integer_ratio() for value in column.tolist()]
    denominator = max(below for _, below in ratios)
    integers = [above * (denominator // below) for above, below in ratios]
    unit = math.gcd(*integers) or 1
    return [value // unit for value in integers], Fraction(unit, denominator)


def quotients(numerators, denominator):
    """An array of integers over one integer, each rounded to long double."""
    def quotient(numerator):
        shift = 66 - abs(numerator).bit_length() + denominator.bit_length()
        whole = abs(numerator) << shift if shift >= 0 else abs(numerator)
        whole //= denominator if shift >= 0 else denominator << -shift
        value = np.ldexp(REAL(whole >> 34), 34) + REAL(whole & (1 << 34) - 1)
        return np.copysign(np.ldexp(value, -shift), -1 if numerator < 0 else 1)

    return np.array([quotient(each) for each in numerators.ravel().tolist()], REAL).reshape(numerators.shape)


class Tableau:
    """Rows of integers by a basis of them: row i is the sum over k of coordinates[i, k] / denominator times row basis[k].

    Parameters
    ----------
    rows : (m, p) object
        Python integers.
    sizes : (m,) float64
        Which rows are large: one that is enters the basis only where it must.
    scales : (p,) float64
        How large the values of each column are.
    """

    def __init__(self, rows, sizes, scales):
        self.coordinates, self.denominator, self.basis = rows.copy(), 1, []
        for k in range(rows.shape[1]):
            if not self.coordinates[:, k:].any():
                self.coordinates = self.coordinates[:, :k]      # the other columns are sums of these
                break
            left = np.abs(self.as_floats()[:, k:]) / sizes[:, None] / scales[k:]
            i, j = np.unravel_index(left.argmax(), left.shape)
            if left[i, j] == 0.0:                               # it underflows
                i, j = np.argwhere(self.coordinates[:, k:])[0]
            for array in (self.coordinates.T, scales):
                array[[k, k + j]] = array[[k + j, k]]
            self.basis.append(-1)
            self.exchange(i, k)

    def exchange(self, i, k):
        """Let row i be in the basis, in place of the k-th row that is."""
        N, pivot = self.coordinates, self.coordinates[i, k]
        entering = N[:, k].copy()
        N = (N * pivot - entering[:, None] * N[i]) // self.denominator
        N[:, k] = entering
        self.coordinates, self.denominator = (N, pivot) if pivot > 0 else (-N, -pivot)
        self.basis[k] = int(i)

    def balance(self, sizes, most):
        """Exchange rows until no coordinate is larger than `most`, next to the sizes of its two rows."""
        for _ in range(MOST_EXCHANGES):
            ratios = np.abs(self.as_floats()) * sizes[self.basis] / sizes[:, None]
            i, k = np.unravel_index(ratios.argmax(), ratios.shape)
            if ratios[i, k] <= most:
                return
            self.exchange(i, k)

    def as_floats(self):
        """The coordinates, rounded."""
        return (self.coordinates / self.denominator).astype(float)

    def signed(self, sides):
        """The tableau of the rows (row, 1 or -1), with that sign."""
        other = object.__new__(Tableau)
        other.basis = [sides.index((row, +1)) if (row, +1) in sides else sides.index((row, -1)) for row in self.basis]
        rows, signs = zip(*sides, strict=True)
        signs = np.array(signs, object)
        other.coordinates = self.coordinates[list(rows)] * signs[:, None] * signs[other.basis]
        other.denominator = self.denominator
        return other


def is_separated(tableau):
    """Whether some direction makes no row negative, and one positive: exact; None where that would take too long.

    Column k is what a direction adds to the rows that adds to no row of the basis but the k-th.  If each of them adds something
    negative in sum, all rows once, and those of the basis so many times more, add up to 0: every row takes part in that, which
    no direction that separates would allow (Stiemke).
    """
    rng = np.random.default_rng(0)
    for count in range(MOST_EXCHANGES):
        N = tableau.coordinates
        candidates = np.flatnonzero(N.sum(axis=0) > 0)
        if not candidates.size:
            return False
        if (N[:, candidates] >= 0).all(axis=0).any():
            return True
        T = tableau.as_floats()
        if count < 100:
            k = candidates[(T[:, candidates].sum(axis=0) / np.sqrt((T[:, candidates] ** 2).sum(axis=0))).argmax()]
            i = (np.where(N[:, k] < 0, T[:, k], np.inf) / np.abs(T).sum(axis=1)).argmin()
        else:                                                   # that may have come back to where it was
            k = rng.choice(candidates)
            i = rng.choice(np.flatnonzero(N[:, k] < 0))
        tableau.exchange(i, k)
    return None


# ---- the optimum ----------------------------------------------------------------------------------------------------

def softplus(t):
    return np.maximum(t, 0) + np.log1p(np.exp(-np.abs(t)))


def sigma(t):
    e = np.exp(-np.abs(t))
    return np.where(t >= 0, 1, e) / (1 + e)


def divergence(t, step):
    """softplus(t + step) - softplus(t) - sigma(t) step, to a relative error of 1e-10 or so."""
    t, step = np.where(t > 0, -t, t), np.where(t > 0, -step, step)      # it is even
    p = sigma(t)
    v, d = p * (1 - p), 1 - 2 * p
    series = v * step ** 2 * (0.5 + step * (d / 6 + step * ((1 - 6 * v) / 24 + step * d * (1 - 12 * v) / 120)))
    return np.where(np.abs(step) < 0.005, series, softplus(t + step) - softplus(t) - p * step)


def cholesky_solve(H, grad):
    """H^-1 grad, in long double; None unless H is positive definite."""
    unit = 1 / np.sqrt(np.diagonal(H))
    L = H * unit * unit[:, None]
    n = len(grad)
    x = grad * unit
    for k in range(n):
        if not L[k, k] > 1e-19:
            return None
        L[k:, k] /= np.sqrt(L[k, k])
        x[k] /= L[k, k]
        x[k + 1:] -= L[k + 1:, k] * x[k]
        L[k + 1:, k + 1:] -= L[k + 1:, k, None] * L[k + 1:, k]
    for k in reversed(range(n)):
        x[k] = (x[k] - L[k + 1:, k] @ x[k + 1:]) / L[k, k]
    return x * unit


class Oracle:
    """J of one small problem, exactly.

    Parameters
    ----------
    X : (m, n) float64
    y : (m,)
        0 or 1.
    sample_weight, offset : (m,) float64
    l2 : float
    reduction : {"mean", "sum"}
    fit_intercept : bool
    """

    def __init__(self, X, y, sample_weight, offset, l2, reduction, fit_intercept):
        counts = sample_weight > 0
        X, y = X[counts], y[counts]
        self.s, self.o = sample_weight[counts].astype(REAL), offset[counts].astype(REAL)
        if reduction == "mean":
            self.s /= self.s.sum()
        self.sign = np.where(y == 1, -1, 1).astype(REAL)                # of t = (1 - 2y) z
        self.l2 = REAL(l2 if l2 > 1e-290 else 0.0)                      # 1e-300 is no penalty, unless X is in units of 1e-150
        self.X, self.fit_intercept = X, fit_intercept

        unique, self._row_of = np.unique(X, axis=0, return_inverse=True)
        self._row_of = self._row_of.ravel()
        columns, units = zip(*map(as_integers, unique.T), strict=True)
        rows = np.array(columns, object).T.reshape(unique.shape)
        if fit_intercept:
            rows = np.column_stack([rows, np.full(len(rows), 1, object)])
        self._sides = sorted(set(zip(self._row_of.tolist(), np.where(y == 1, 1, -1).tolist(), strict=True)))
        self.penalty, scales = np.zeros(0, REAL), np.abs(rows).max(axis=0).astype(float)
        if self.l2:                                             # the parameters that are penalised are rows too
            rows = np.vstack([rows, np.eye(X.shape[1], rows.shape[1], dtype=int).astype(object)])
            self.penalty = self.l2 * np.array([REAL(unit.denominator) / REAL(unit.numerator) for unit in units]) ** 2
        self._rows, self._units = rows, units
        sizes = self._sizes(self.s)
        self._tableau = Tableau(rows, sizes, np.where(scales > 0, scales, 1.0))
        self._tableau.balance(sizes, 2.0)
        self._read_tableau()

    def _sizes(self, curvature):
        """How large each row of the tableau is, by how much of it the Hessian does not see."""
        of_rows = np.zeros(self._row_of.max() + 1, REAL)
        np.add.at(of_rows, self._row_of, curvature)
        seen = np.append(of_rows, self.penalty)
        return np.sqrt(seen.max() / np.maximum(seen, REAL("1e-500") * seen.max())).astype(float)

    def _read_tableau(self):
        coordinates = quotients(self._tableau.coordinates, self._tableau.denominator)
        self.T = coordinates[self._row_of]
        self.P = coordinates[len(coordinates) - len(self.penalty):]         # w = P u, in units of the columns

    @functools.cached_property
    def is_separated(self):
        """Whether the classes are; None if that is not known."""
        return not self.l2 and is_separated(self._tableau.signed(self._sides))

    def u_of(self, w, b):
        """The margins of the basis."""
        theta = [Fraction(each) * unit for each, unit in zip(w.tolist(), self._units, strict=True)] + [Fraction(b)]
        margins = [sum(value * each for value, each in zip(row, theta, strict=False))
                   for row in self._rows[self._tableau.basis].tolist()]
        return np.array([quotients(np.array([z.numerator], object), z.denominator)[0] for z in margins], REAL)

    def cost(self, u, temperature=1):
        """J, of margins that are divided by the temperature and a loss that is multiplied by it."""
        t = self.sign * (self.T @ u + self.o) / temperature
        return temperature * (self.s @ softplus(t)) + self.penalty @ (self.P @ u) ** 2 / 2

    def derivatives(self, u, temperature=1):
        t = self.sign * (self.T @ u + self.o) / temperature
        p = sigma(t)
        grad = self.T.T @ (self.s * self.sign * p) + self.P.T @ (self.penalty * (self.P @ u))
        curvature = self.s * p * sigma(-t) / temperature
        return grad, (self.T.T * curvature) @ self.T + (self.P.T * self.penalty) @ self.P

    @functools.cached_property
    def optimum(self):
        """The best u, J there, and the square of Newton's decrement.

        By Newton's method, some steps at a time, in coordinates that are good where it has come to.  Large offsets are divided by
        a temperature first, which falls.
        """
        u = np.zeros(self.T.shape[1], REAL)
        temperature = REAL(max(1.0, float(np.abs(self.o).max()) / 10))
        for _ in range(100):
            J = self.cost(u, temperature)
            u, decrement = self._descend(u, temperature)
            is_there = decrement <= (1e-28 * self.cost(u) if temperature == 1 else 1e-4 * temperature * self.s.sum())
            if not is_there and not self.cost(u, temperature) < J * (1 - 1e-9):
                break                                               # it will not be known
            changed = self._balance(u, temperature)
            if is_there and temperature == 1 and changed is None:
                break
            u = u if changed is None else changed
            if is_there:
                temperature = max(temperature / 4, REAL(1))
        return u, self.cost(u), decrement

    def _balance(self, u, temperature):
        """Change to coordinates that suit the curvatures at u, and return what it is in these, if they are others."""
        t = self.sign * (self.T @ u + self.o) / temperature
        before = list(self._tableau.basis)
        self._tableau.balance(self._sizes(self.s * sigma(t) * sigma(-t) / temperature), 1e3)
        if self._tableau.basis == before:
            return None
        z = np.zeros(len(self._rows), REAL)
        z[self._row_of], z[len(z) - len(self.P):] = self.T @ u, self.P @ u
        self._read_tableau()
        return z[self._tableau.basis]

    def _descend(self, u, temperature):
        """Some steps of Newton's method from u, damped where need be, and the square of its decrement where they end."""
        J, best = self.cost(u, temperature), (np.inf, u)
        for _ in range(25):
            grad, H = self.derivatives(u, temperature)
            decrement = None
            for damping in [0.0, *10.0 ** np.arange(-30, 3, 3)]:
                step = cholesky_solve(H + damping * np.diag(np.diagonal(H) + self.s.sum() / temperature), grad)
                if step is None:
                    continue
                if decrement is None:
                    decrement = grad @ step
                if decrement <= 1e-12 * J:                      # J is too coarse a measure
                    break
                while (not (trial := self.cost(u - step, temperature)) <= J - 0.1 * grad @ step
                       and np.abs(step).max() > 1e-9 * np.abs(u).max()):
                    step = step / 4
                if trial < J:
                    break
            if decrement is None or best[0] <= decrement <= 1e-22 * J:
                break
            if decrement < best[0]:
                best = decrement, u
            if decrement <= 1e-32 * J:
                break
            u = u - step
            J = self.cost(u, temperature)
        return (u, best[0]) if best[0] > 1e-22 * J else (best[1], best[0])

    @property
    def is_known(self):
        """Whether J* is, far better than float64 tells."""
        _, J, decrement = self.optimum
        return bool(decrement <= 1e-22 * J)

    def excess(self, w, b):
        """J - J* at float64 parameters, without cancellation."""
        u, _, _ = self.optimum
        step = self.u_of(w, b) - u
        t = self.sign * (self.T @ u + self.o)
        return float(self.s @ divergence(t, self.sign * (self.T @ step)) + self.penalty @ (self.P @ step) ** 2 / 2)

    def rounding(self, w, b):
        """How far the best parameters of float64 may be from J*, and how well it may tell J there."""
        center = np.median(self.X, axis=0) if self.fit_intercept else np.zeros(self.X.shape[1])
        far = np.abs(self.X) @ np.abs(w) + abs(b)
        near = np.abs(self.X - center) @ np.abs(w) + abs(center @ w + b) + np.abs(self.o)
        t = self.sign * (self.T @ self.u_of(w, b) + self.o)
        p = sigma(t)
        J = self.cost(self.u_of(w, b))
        moved = (4 * EPS * (far + np.abs(self.o))).astype(REAL)
        return (float(1e-14 * J + self.s @ (p * sigma(-t) * moved ** 2)),
                float(1e-6 * J + 4 * EPS * (self.s @ (p * near))))


# ---- K classes ------------------------------------------------------------------------------------------------------

def softmax_divergence(z, step):
    """log sum e^(z + step) - log sum e^z - softmax(z) . step of each row, to a relative error of 1e-10 or so."""
    p = softmax(z)
    step = step - (p * step).sum(axis=1, keepdims=True)
    small = step ** 2 * (0.5 + step * (REAL(1) / 6 + step * (REAL(1) / 24 + step / 120)))
    series = np.log1p((p * np.where(np.abs(step) < 0.005, small, 0)).sum(axis=1))
    return np.where((np.abs(step) < 0.005).all(axis=1), series, log_sum(z + step) - log_sum(z))


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def log_sum(z):
    """log sum_k e^z_k of each row."""
    largest = z.max(axis=1)
    others = np.exp(z - largest[:, None])
    others[np.arange(len(z)), z.argmax(axis=1)] = 0
    return largest + np.log1p(others.sum(axis=1))


class SoftmaxOracle(Oracle):
    """J of one small problem of K classes, 0 .. K - 1; the offset is (m, K).

    What J can tell are differences from class 0.  They are K - 1 vectors of margins of the basis, one after another.
    """

    def __init__(self, X, y, sample_weight, offset, l2, reduction, fit_intercept):
        super().__init__(X, y, sample_weight, offset, l2, reduction, fit_intercept)
        self.y, self.K = y[sample_weight > 0], offset.shape[1]
        self.o = self.o - self.o[:, :1]

    @functools.cached_property
    def is_separated(self):
        if self.l2:
            return False
        N, rows = self._tableau.coordinates, []
        p = N.shape[1]
        for row, label in sorted(set(zip(self._row_of.tolist(), self.y.tolist(), strict=True))):
            for other in set(range(self.K)) - {label}:
                ahead = np.zeros(p * self.K, object)
                ahead[p * label:p * (label + 1)], ahead[p * other:p * (other + 1)] = N[row], -N[row]
                rows.append(ahead[p:])
        rows = np.array(rows, object)
        size = np.abs(rows).max(axis=0).astype(float)
        return is_separated(Tableau(rows, np.ones(len(rows)), np.where(size > 0, size, 1.0)))

    def u_of(self, w, b):
        return np.concatenate([self._of_difference(w, b, k) for k in range(1, self.K)])

    def _of_difference(self, w, b, k):
        """Exact, though w and b of the classes cancel."""
        theta = [(Fraction(first) - Fraction(second)) * unit
                 for first, second, unit in zip(w[k].tolist(), w[0].tolist(), self._units, strict=True)]
        theta.append(Fraction(b.tolist()[k]) - Fraction(b.tolist()[0]))
        margins = [sum(value * each for value, each in zip(row, theta, strict=False))
                   for row in self._rows[self._tableau.basis].tolist()]
        return np.array([quotients(np.array([z.numerator], object), z.denominator)[0] for z in margins], REAL)

    def _margins(self, u):
        """(m, K), that of class 0 being 0."""
        return np.column_stack([np.zeros(len(self.y), REAL), self.T @ u.reshape(self.K - 1, -1).T])

    def _losses(self, z):
        ahead = z - z[np.arange(len(z)), self.y][:, None]
        return log_sum(ahead)

    def _of_penalty(self, u):
        """The penalty: w_k are the differences less their mean."""
        w = self.P @ u.reshape(self.K - 1, -1).T
        return self.penalty @ ((w ** 2).sum(axis=1) - w.sum(axis=1) ** 2 / self.K) / 2

    def cost(self, u, temperature=1):
        z = (self._margins(u) + self.o) / temperature
        return temperature * (self.s @ self._losses(z)) + self._of_penalty(u)

    def derivatives(self, u, temperature=1):
        z = (self._margins(u) + self.o) / temperature
        p = softmax(z)
        slope = p.copy()
        rows = np.arange(len(z))
        slope[rows, self.y] = 0
        slope[rows, self.y] = -slope.sum(axis=1)
        T, K = self.T, self.K
        of_classes = np.eye(K - 1, dtype=REAL) - REAL(1) / K
        of_rows = (self.P.T * self.penalty) @ self.P
        grad = (T.T @ (self.s[:, None] * slope[:, 1:])).T.ravel() + (of_classes @ (u.reshape(K - 1, -1) @ of_rows)).ravel()
        H = np.kron(of_classes, of_rows)
        side = T.shape[1]
        for k in range(1, K):
            for j in range(1, K):
                d = self.s / temperature * (p[:, k] * (1 - p[:, k] if p[:, k].max() < 0.5 else np.delete(p, k, 1).sum(axis=1))
                                            if j == k else -p[:, k] * p[:, j])
                H[(k - 1) * side:k * side, (j - 1) * side:j * side] += (T.T * d) @ T
        return grad, H

    @functools.cached_property
    def optimum(self):
        u = np.zeros(self.T.shape[1] * (self.K - 1), REAL)
        temperature = REAL(max(1.0, float(np.abs(self.o).max()) / 10))
        for _ in range(60):
            J = self.cost(u, temperature)
            u, decrement = self._descend(u, temperature)
            is_there = decrement <= (1e-28 * self.cost(u) if temperature == 1 else 1e-4 * temperature * self.s.sum())
            if (is_there and temperature == 1) or (not is_there and not self.cost(u, temperature) < J * (1 - 1e-9)):
                break
            if is_there:
                temperature = max(temperature / 4, REAL(1))
        return u, self.cost(u), decrement

    def common(self, w):
        """What w have in common, which costs the penalty and no loss."""
        return float(self.l2 * self.K / 2 * (w.mean(axis=0).astype(REAL) ** 2).sum())

    def excess(self, w, b):
        u, _, _ = self.optimum
        step = self.u_of(w, b) - u
        losses = softmax_divergence(self._margins(u) + self.o, self._margins(step))
        return float(self.s @ losses + self._of_penalty(step)) + self.common(w)

    def rounding(self, w, b):
        center = np.median(self.X, axis=0) if self.fit_intercept else np.zeros(self.X.shape[1])
        far = (np.abs(self.X) @ np.abs(w).T + np.abs(b) + np.abs(self.o)).max(axis=1)
        near = (np.abs(self.X - center) @ np.abs(w).T + np.abs(w @ center + b) + np.abs(self.o)).max(axis=1)
        z = self._margins(self.u_of(w, b)) + self.o
        p = softmax(z)
        right = p[np.arange(len(z)), self.y]
        J = self.cost(self.u_of(w, b))
        moved = (4 * EPS * far).astype(REAL)
        wrong = np.where(right < 0.9, 1 - right, -np.expm1(-self._losses(z)))
        return (float(1e-14 * J + self.s @ (2 * (1 - p.max(axis=1) + 1e-19) * moved ** 2)),
                float(1e-6 * J + 8 * EPS * (self.s @ (wrong * near))))
