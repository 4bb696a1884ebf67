"""Test what the cluster's network does, with small pods that ask each other."""
