"""Thin Prefect tasks around component calls, and the program's doors to MLflow, Prefect servers and the environment."""
