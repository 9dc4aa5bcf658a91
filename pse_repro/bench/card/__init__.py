"""`pse-repro bench --card`: one command that turns minutes on a borrowed GPU into the first answers.

Each part is a process of its own, which imports no more than it needs.
"""
