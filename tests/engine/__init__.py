"""Tests of the order engine."""
