"""Who draws networks: EHVI and what it is made of, Optuna's samplers, early stopping."""
