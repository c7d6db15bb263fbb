"""
Ten classes: softmax on digits
==============================

Three labels or more make softmax regression.  Nothing else changes in the call.
"""

# %%
# Scikit-learn's digits: 1797 pictures of 8 x 8 pixels, ten labels.  A little l2 keeps the weights finite, since some classes are
# separated from all others.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import fastlr

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0, stratify=y)
model = fastlr.train(X_train, y_train, l2=1e-2)
print(model)
print("w", model.w.shape, "b", model.b.shape, "classes", model.classes)
print("of new pictures, right:", round(model.score(X_test, y_test), 3))

# %%
# All classes are alike: there is no reference class.  The weights of class k say which pixels speak for k (red) and which speak
# against it (blue).  At each pixel they add up to 0.

figure, axes = plt.subplots(2, 5, figsize=(9, 4), layout="constrained")
for ax, w, label in zip(axes.flat, model.w, model.classes, strict=True):
    ax.imshow(w.reshape(8, 8), cmap="RdBu_r", norm=plt.matplotlib.colors.CenteredNorm())
    ax.set(title=str(label), xticks=[], yticks=[])
plt.show()
print("largest sum over the classes:", np.abs(model.w.sum(axis=0)).max())

# %%
# Probabilities
# -------------
# Does a picture that is said to be a 3 with a probability of 0.8 turn out to be a 3 in eight of ten cases?  The curve compares
# the largest probability of each picture with how often that label is right.

P = model.predict_proba(X_test)
confidence, is_right = P.max(axis=1), model.predict(X_test) == y_test
bins = np.digitize(confidence, [0.6, 0.8, 0.9, 0.99])
order = [np.flatnonzero(bins == k) for k in range(5)]
figure, ax = plt.subplots(layout="constrained")
ax.plot([0, 1], [0, 1], "k:", label="perfectly calibrated")
ax.plot([confidence[rows].mean() for rows in order], [is_right[rows].mean() for rows in order], "o-", label="softmax")
ax.set(xlabel="largest probability", ylabel="share of pictures that are told right", xlim=(0.3, 1.02), ylim=(0.3, 1.02))
ax.legend()
plt.show()
