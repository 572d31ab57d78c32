"""The same jobs on many machines: Dask hands them out, repeats and moves them.

Modules that run on a worker have `tasks` in their name; all others run where the command was given,
and load no PyTorch.
"""
