"""From float to integers for a profile: weights, states, parameters, and what was clipped."""
