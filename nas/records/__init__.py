"""Plain data: recipe, settings of a study, trial and epoch, whole files, errors. No torch, no Optuna."""
