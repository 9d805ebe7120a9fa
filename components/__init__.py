"""The domain, a package a stage. Runs with neither Prefect nor MLflow installed."""
