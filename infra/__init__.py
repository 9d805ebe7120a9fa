"""Deployments, servers and decisions: everything starts with one command."""
