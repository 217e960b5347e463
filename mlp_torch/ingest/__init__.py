"""Raw rows to Inputs: everything a string or a bad value can do ends here."""
