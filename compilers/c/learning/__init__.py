"""C that learns.

limits      words of C beside the `LearningPlan`
program     in which form each connection stands, and what waits where; `history` finds what was sent
memory      structs and their bytes, of `field`s
tables      constants: start values, psi tables, fixed weights, random feedback
symbols     expressions of C by running the arithmetic on symbols
source      a neuron's Jacobian and its eligibilities through a step
layer       a step of a layer or population
feedback    learning signals on their way back
update      gradients to weights and parameters
text        templates
learn       learn.h and learn.c
build       compiling and running them
library     the same C, loaded into Python
"""
