"""After a load: was anything oversold, lost or charged twice?"""
