"""Webhooks: who gets which event when, where they may go, and how they are signed."""
