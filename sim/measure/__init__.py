"""What is measured of the machine and of this process."""
