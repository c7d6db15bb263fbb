"""What the model says of the population: covariances, standard errors, the summary."""
