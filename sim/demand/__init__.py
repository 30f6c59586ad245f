"""Who wants what when: broadcasts, flash deals and short videos become the trace."""
