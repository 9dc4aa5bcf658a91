"""Inspection of the images: verification, statistics, a contact sheet."""
