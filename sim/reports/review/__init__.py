"""A run reviewed as a shop would: by content, listing, SKU, region and hour, with causes and advice.

Pure functions of a run directory: `review` gives numbers, `text` says them, `files` writes them.
"""

#: What a review can group orders by.
BY = ("content", "listing", "sku", "region", "hour")
