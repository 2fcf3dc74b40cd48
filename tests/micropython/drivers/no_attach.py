# Forgot something.
def detach(device):
    pass
