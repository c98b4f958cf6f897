"""What every process of nas needs, whatever it does: how it ends, what it says meanwhile, how it writes a file."""
