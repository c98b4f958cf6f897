"""Recorded trainings, and replaying samplers and stopping rules on them."""
