# Does not get as far as being a driver.
raise RuntimeError("no such luck")
