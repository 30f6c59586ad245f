"""From files to trees that know where everything stands, and what is said of what does not fit."""
