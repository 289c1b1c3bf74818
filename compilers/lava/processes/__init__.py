"""Lava processes and their CPU models.

To find the models of a process, Lava runs every module of this folder as a top-level module: nothing else may lie
here, and imports are absolute.
"""
