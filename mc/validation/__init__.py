"""The macroscopic equations, each checked against simulations: what `ionmc validate` runs.

law.py        what a law is: scenarios, a measurement, a prediction, wrong predictions that must be rejected
laws/         one law a file
registry.py   finding the laws, also a user's own
suite.py      running them, and the bound that the chance of a false alarm gives
own.py        the laws that fit a scenario of the user's
report.py     report.html and report.json
document.py   the page docs/validation.md
"""
