"""What the solvers that use curvature share."""
import numpy as np

def line_search(problem, u, cost, grad, p):
    slope = float(grad @ p)
    noise = 4e-16 * abs(cost)
    t = 1.0
    for _ in range(60):
        trial = u + t * p
        c, g = problem.cost_gradient(trial)
        s = float(g @ p)
        if c <= cost + 1e-4 * t * slope or (c <= cost + noise and abs(s) <= 0.9*abs(slope)):
            return trial, c, g, t
        # minimum of the cubic through both ends
        if np.isfinite(c) and np.isfinite(s):
            d1 = slope + s - 3 * (cost - c) / (0.0 - t)
            rad = d1 * d1 - slope * s
            if rad >= 0:
                d2 = np.sqrt(rad)
                new = t - t * (s + d2 - d1) / (s - slope + 2 * d2)
            else:
                new = t / 2
            if not np.isfinite(new): new = t/2
            t = min(max(new, 0.05 * t), 0.7 * t)
        else:
            t *= 0.1
    return None


class Memory:
    def __init__(self, size=10):
        self.pairs = []; self.size = size
    def add(self, du, dg):
        c = float(du @ dg)
        if c > 1e-300:
            self.pairs.append((du, dg, c)); del self.pairs[:-self.size]
    def apply(self, g, precondition, rescale):
        q = g.copy(); alphas = []
        for du, dg, c in reversed(self.pairs):
            a = float(du @ q) / c
            q -= a * dg; alphas.append(a)
        r = precondition(q)
        if rescale and self.pairs:
            du, dg, c = self.pairs[-1]
            r *= c / float(dg @ precondition(dg))
        for (du, dg, c), a in zip(self.pairs, reversed(alphas)):
            r += du * (a - float(dg @ r) / c)
        return r


def factor(H, ridge):
    """g -> H^-1 g"""
    n = len(H)
    H = H.copy()
    H.flat[::n + 1] += ridge * np.trace(H) / n + 1e-100
    if n > 150:
        L = np.linalg.cholesky(H)
        Li = inverse_lower(L)
        return lambda g: Li.T @ (Li @ g)
    inv = np.linalg.inv(H)
    return lambda g: inv @ g


def inverse_lower(L):
    n = len(L)
    if n <= 64:
        return np.linalg.inv(L)
    k = n // 2
    A, C = inverse_lower(L[:k, :k]), inverse_lower(L[k:, k:])
    out = np.zeros_like(L)
    out[:k, :k] = A; out[k:, k:] = C
    out[k:, :k] = -(C @ (L[k:, :k] @ A))
    return out
