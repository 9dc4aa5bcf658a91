"""What the images are: verification, statistics, a contact sheet."""
