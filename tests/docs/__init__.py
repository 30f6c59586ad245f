"""The pages in docs/, held to what the program does."""
