"""C that learns.

limits      words of C beside the `LearningPlan`
memory      structs and their bytes
tables      constants: start values, psi tables, fixed weights, random feedback
symbols     expressions of C by running the arithmetic on symbols
source      a neuron's Jacobian and its eligibilities through a step
layer       a step of a layer
update      gradients to weights and parameters
learn       learn.h and learn.c
build       compiling and running them
library     the same C, loaded into Python
"""
