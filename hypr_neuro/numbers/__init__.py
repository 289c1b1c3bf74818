"""What a number is: rounding rules, integer lanes, compilation, surrogate derivatives, small tuples; no neuron."""
