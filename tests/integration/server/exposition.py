"""Prometheus' text format 0.0.4, read as strictly as its specification says it is written."""

import re

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
SAMPLE = re.compile(rf"({NAME})(?:\{{(.*)\}})? (\S+)")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)')
TYPES = {"counter", "gauge", "histogram"}


class Families:
    """By name: the type, and the samples by (name, labels)."""

    def __init__(self, text):
        self.types, self.samples = {}, {}
        if not text.endswith("\n"):
            raise ValueError("the last line has no end")
        helped, family = set(), None
        for line in text.split("\n")[:-1]:
            if line.startswith("# HELP "):
                family = line.split(" ", 3)[2]
                if family in helped:
                    raise ValueError(f"{family} is there twice")
                helped.add(family)
            elif line.startswith("# TYPE "):
                _, _, name, kind = line.split(" ")
                if name != family or kind not in TYPES:
                    raise ValueError(line)
                self.types[name] = kind
            else:
                self._take(line, family)
        for name, kind in self.types.items():
            if kind == "histogram":
                self._check_histogram(name)

    def _take(self, line, family):
        match = SAMPLE.fullmatch(line)
        if not match:
            raise ValueError(f"no sample: {line}")
        name, text, value = match.groups()
        suffixes = ("_bucket", "_sum", "_count") if self.types.get(family) == "histogram" else ("",)
        if name not in {family + suffix for suffix in suffixes}:
            raise ValueError(f"{name} stands below {family}")
        labels, at = {}, 0
        while at < len(text or ""):
            label = LABEL.match(text, at)
            if not label or label[1] in labels:
                raise ValueError(f"labels of {line}")
            labels[label[1]] = re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], label[2])
            at = label.end()
        key = (name, frozenset(labels.items()))
        if key in self.samples:
            raise ValueError(f"{line} is there twice")
        self.samples[key] = float(value)

    def _check_histogram(self, family):
        counts = {labels: value for (name, labels), value in self.samples.items() if name == family + "_count"}
        for labels, count in counts.items():
            buckets = sorted((float(dict(each)["le"].replace("+Inf", "inf")), value)
                             for (name, each), value in self.samples.items()
                             if name == family + "_bucket" and frozenset(item for item in each if item[0] != "le") == labels)
            values = [value for _, value in buckets]
            if buckets[-1] != (float("inf"), count) or values != sorted(values):
                raise ValueError(f"the buckets of {family} {dict(labels)}")
            if (family + "_sum", labels) not in self.samples:
                raise ValueError(f"{family} has no sum")

    def value(self, name, **labels):
        """The sum of the samples that have these labels; None if there is none."""
        found = [value for (each, given), value in self.samples.items() if each == name and labels.items() <= dict(given).items()]
        return sum(found) if found else None

    def label_values(self):
        return {value for _, labels in self.samples for _, value in labels}
