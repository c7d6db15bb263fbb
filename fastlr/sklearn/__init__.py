"""The scikit-learn estimator, and training in batches."""
