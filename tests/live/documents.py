"""Random documents for the checks of deltas: each is made of the one before it, in small or large steps, and a seed makes
the same ones again. Canonical text of a document is what JavaScript's JSON.stringify makes of it."""

import json

LETTERS = ["abcdefghij", "жюя", "éßü", "漢字", "😀👩‍👧", ' "\\/', "\t\x01\x7f", "<>&", "\u2028\u00a0"]
LARGE = 100_000


def canonical(document):
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


class Documents:
    """Numbers are whole and names begin with a letter, so JavaScript keeps both as they are."""

    def __init__(self, random):
        self.random = random
        self.document = self.value(3)

    def next(self):
        """The next document and one of the ways to write it."""
        steps = [self.same, self.tiny, self.other, self.large] + [self.grown] * 4 + [self.shrunk] * 3 + [self.changed] * 12
        self.document = self.random.choice(steps)(self.document)
        layout = self.random.choice([{"separators": (",", ":")}, {}, {"indent": 1}])
        return self.document, json.dumps(self.document, ensure_ascii=self.random.random() < 0.3, **layout)

    def text(self, length):
        alphabet = "".join(self.random.sample(LETTERS, self.random.randint(1, 4)))
        return "".join(self.random.choice(alphabet) for _ in range(length))

    def leaf(self):
        whole = self.random.randint(-(2**40), 2**40)
        return self.random.choice([None, True, False, 0, whole, self.text(self.random.randint(0, 60))])

    def value(self, depth):
        if depth == 0 or self.random.random() < 0.2:
            return self.leaf()
        count = self.random.randint(0, 6)
        if self.random.random() < 0.5:
            return [self.value(depth - 1) for _ in range(count)]
        return {"k" + self.text(self.random.randint(0, 5)): self.value(depth - 1) for _ in range(count)}

    # Steps from one document to the next.

    def same(self, document):
        return document

    def tiny(self, _):
        return self.random.choice([None, 0, "", "я", [], {}, [[]], {"k": 1}])

    def other(self, _):
        return self.value(4)

    def large(self, document):
        """A document of about 100 KB that holds the former one somewhere; a large one is halved."""
        former = document.get("large") if isinstance(document, dict) else None
        if isinstance(former, str):
            return former[: len(former) // 2]
        piece = self.text(self.random.randint(1, 2000))
        return {"before": document, "large": piece * (LARGE // len(piece.encode()))}

    def grown(self, document):
        if isinstance(document, list):
            at = self.random.randint(0, len(document))
            return document[:at] + [self.value(2) for _ in range(self.random.randint(1, 20))] + document[at:]
        if isinstance(document, dict):
            return {**document, "k" + self.text(4): self.value(3)}
        if isinstance(document, str):
            at = self.random.randint(0, len(document))
            return document[:at] + self.text(self.random.randint(1, 300)) + document[at:]
        return [document, document]

    def shrunk(self, document):
        if isinstance(document, (list, str)):
            first, last = sorted(self.random.randint(0, len(document)) for _ in range(2))
            return document[:first] + document[last:]
        if isinstance(document, dict):
            return {key: value for key, value in document.items() if self.random.random() < 0.7}
        return document

    def changed(self, document):
        """A step somewhere within."""
        if isinstance(document, dict) and document:
            key = self.random.choice(list(document))
            return {**document, key: self.changed(document[key])}
        if isinstance(document, list) and document:
            at = self.random.randrange(len(document))
            return document[:at] + [self.changed(document[at])] + document[at + 1 :]
        return self.random.choice([self.grown, self.shrunk, lambda _: self.leaf()])(document)
