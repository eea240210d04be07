"""From a recording to measured values with standard errors; knows files and theory, never an engine."""
