"""
Separated classes
=================

What happens if a feature separates the classes, and what to do about it.
"""

# %%
# Every label left of 3.5 is 0, and every label right of it is 1.  Then J falls forever as w grows, so no finite w is the best.
# fastlr proves that and says so.

import textwrap
import warnings

import matplotlib.pyplot as plt
import numpy as np

import fastlr

X = np.array([[1.0], [2.0], [3.0], [4.0], [5.0], [6.0]])
y = np.array([0, 0, 0, 1, 1, 1])
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    separated = fastlr.train(X, y)
print(caught[0].category.__name__)
print(textwrap.fill(str(caught[0].message), 80))

# %%
# Firth's penalty has a finite maximum.  A ridge penalty has one too, and shrinks as strongly as you choose.

firth = fastlr.train(X, y, firth=True)
ridge = fastlr.train(X, y, l2=0.1)
print(firth.w, ridge.w)

# %%
# The likelihood still has information: w is at least 0.7, with 95 % confidence, and has no upper bound.

print(separated.profile_interval("x0"))
print(firth.profile_interval("x0"))

# %%
x = np.linspace(0, 7, 200)[:, np.newaxis]
figure, axes = plt.subplots(layout="constrained")
for name, model in (("where training stopped", separated), ("Firth's penalty", firth), ("l2 = 0.1", ridge)):
    axes.plot(x, model.predict_proba(x)[:, 1], label=name)
axes.plot(X, y, "ko")
axes.set(xlabel="x0", ylabel="probability of class 1")
axes.legend()
plt.show()
