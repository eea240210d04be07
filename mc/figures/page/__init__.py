"""The report of a run: one page that needs nothing else, with the ions in motion.

page        puts it together;  words: the scenario in sentences;  schematic: the membrane as in a textbook
scenes      what the player moves, packed;  inline: figures that follow the page's colours
report.html.jinja, report.css, player.js    the page itself
"""
