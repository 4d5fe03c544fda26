"""Laws: programs of a numeric world, and an anomaly that overturns one."""
