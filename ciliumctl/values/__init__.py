"""Helm values: where they come from, how they are laid over each other, what old ones are today."""
