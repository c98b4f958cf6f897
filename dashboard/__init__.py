"""The dashboard: studies in the browser, read and never written. Starts without torch."""

RUNS_VARIABLE = "NAS_RUNS"  # environment variable of the dashboard's own process: the folder of studies
EXPORTS_VARIABLE = "NAS_EXPORTS"  # the same: folders of exports that it was told, separated as in PATH
