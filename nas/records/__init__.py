"""Plain data: recipe, settings of a study, trial and period, whole files, errors. No torch, no Optuna."""
