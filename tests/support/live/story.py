"""How deploy/quickstart tells what happens, and insists on it."""


def tell(word, text):
    print(f"  {word:<13} {text}", flush=True)


def must(condition, what):
    if not condition:
        raise AssertionError(what)


def degrees(mdeg):
    return f"{mdeg / 1000:.2f} °C"
