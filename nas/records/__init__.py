"""Plain data: recipe, settings of a study, trial and period. No torch, no Optuna."""
