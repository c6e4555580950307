"""Every promise, checked on real databases, real servers, real browsers, real video."""
