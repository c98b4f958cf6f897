"""What trials tell: Pareto front, seed noise, rank agreement, importance, comparison, history, cost axes."""
