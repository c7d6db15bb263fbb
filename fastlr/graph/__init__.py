"""The computation graph of the lecture: values from left to right, derivatives from right to left.

The lecture's example, J(a, b, c) = 3 (a + bc):

>>> from fastlr.graph import Value
>>> a, b, c = Value(5, "a"), Value(3, "b"), Value(2, "c")
>>> u = (b * c).named("u")
>>> v = (a + u).named("v")
>>> J = (3 * v).named("J")
>>> J
J = 3 * v = 33
>>> J.derivatives()
{'dv': 3.0, 'da': 3.0, 'du': 3.0, 'db': 6.0, 'dc': 9.0}
>>> print(J.chain_rule())
dJ/dv = 3
dJ/da = dJ/dv * dv/da = 3 * 1 = 3
dJ/du = dJ/dv * dv/du = 3 * 1 = 3
dJ/db = dJ/du * du/db = 3 * 2 = 6
dJ/dc = dJ/du * du/dc = 3 * 3 = 9

Logistic regression for one example, and one step of gradient descent:

>>> from fastlr.graph import log, sigmoid
>>> x1, x2, y, alpha = 1.0, -2.0, 1, 0.1
>>> w1, w2, b = Value(0.5, "w1"), Value(0.25, "w2"), Value(0.0, "b")
>>> a = sigmoid(w1 * x1 + w2 * x2 + b)
>>> L = -(y * log(a) + (1 - y) * log(1 - a))
>>> L.backward()
>>> w1.grad, w2.grad, b.grad                    # x1 dz, x2 dz and dz, with dz = a - y
(-0.5, 1.0, -0.5)
>>> w1, w2, b = (Value(p.value - alpha * p.grad, p.name) for p in (w1, w2, b))

Softmax regression for one example of class 1, by the margins of three classes:

>>> from fastlr.graph import cross_entropy, softmax
>>> z = [Value(0.5, "z0"), Value(0.1, "z1"), Value(-0.3, "z2")]
>>> L = cross_entropy(z, 1)
>>> L.backward()
>>> [round(z_k.grad, 4) for z_k in z], [round(p_k.value, 4) for p_k in softmax(z)]      # dz is p, less 1 for the class itself
([0.4718, -0.6838, 0.212], [0.4718, 0.3162, 0.212])
"""

from fastlr.graph.gradient_check import GradientCheck, check_gradient
from fastlr.graph.logistic import log_loss, logistic_cost
from fastlr.graph.softmax import cross_entropy, softmax, softmax_cost
from fastlr.graph.value import Value, exp, log, sigmoid, softplus

__all__ = ["GradientCheck", "Value", "check_gradient", "cross_entropy", "exp", "log", "log_loss", "logistic_cost", "sigmoid",
           "softmax", "softmax_cost", "softplus"]
