"""
Robust errors and marginal effects
==================================

Standard errors when rows are not independent, and effects on the scale of probabilities.
"""

# %%
# Customers of one shop are alike.  `price` belongs to the shop, so it has 40 values and not 4000.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import fastlr

rng = np.random.default_rng(1)
shop = rng.integers(0, 40, 4000)
of_shop = rng.standard_normal((2, 40))
frame = pd.DataFrame({"age": rng.standard_normal(4000), "price": of_shop[0][shop]})
y = frame["age"] - 0.3 * frame["price"] + of_shop[1][shop] + rng.logistic(size=4000) > 0
model = fastlr.train(frame, y)

# %%
# The model's own standard errors assume independent rows, and so do those of HC1.  Only the clustered ones know of the shops.

kinds = {"model": "model", "HC1": "HC1", "clusters": ("cluster", shop)}
errors = pd.DataFrame({name: model.summary(kind).standard_error for name, kind in kinds.items()},
                      index=model.summary().names)
print(errors.round(4))

# %%
figure, axes = plt.subplots(layout="constrained")
for place, kind in enumerate(kinds.values()):
    summary = model.summary(kind)
    j = summary.names.index("price")
    axes.errorbar(summary.estimate[j], place, xerr=summary.standard_error[j] * 1.96, fmt="o", capsize=4)
axes.axvline(-0.3, color="gray", linestyle=":")
axes.set(yticks=range(3), yticklabels=kinds, xlabel="weight of price, with 95 % interval; dotted: the truth")
plt.show()

# %%
# A marginal effect is the change of the probability with a column, averaged over the rows.

print(model.marginal_effects(covariance=("cluster", shop)))
