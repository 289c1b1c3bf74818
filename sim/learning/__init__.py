"""Learning in integers: `reference` defines it, `learner` runs it fast, `learn` goes through epochs."""
