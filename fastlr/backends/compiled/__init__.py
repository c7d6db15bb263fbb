"""Kernels that Numba compiles, the parts they are made of, and what compiles, keeps and runs them."""
