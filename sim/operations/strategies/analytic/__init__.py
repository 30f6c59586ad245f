"""What theory says about stock: closed forms that policies order by, and that simulated policies are held against.

Pure functions of numbers. Units of stock are floats or whole numbers, costs in any one currency; times in any one unit.
"""
