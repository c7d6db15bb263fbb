"""
Ten classes: softmax on digits
==============================

With three labels or more, the same call trains softmax regression.
"""

# %%
# Scikit-learn's digits are 1797 pictures of 8 x 8 pixels in ten classes.  A little l2 keeps the weights finite, since some
# classes are separated from all others.

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
print("share of new pictures that are predicted right:", round(model.score(X_test, y_test), 3))

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
# Does a picture that is said to be a 3 with a probability of 0.8 turn out to be a 3 in eight of ten cases?  `plot_calibration`
# compares the probability of the predicted label with how often that label is right.  Each point is a sixth of the pictures.

model.plot_calibration(X_test, y_test, bins=6)
plt.show()
