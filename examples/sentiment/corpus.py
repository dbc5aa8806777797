"""Short English reviews made by a grammar: what the sentiment model learns from.

There is no data set behind this. A review is a few sentences, each about one aspect of a film, a
meal, a hotel or a thing bought; each sentence comes from a pattern and has a polarity of its own,
worked out as the pattern is filled in: "not" turns it round, "never again" too, "but" gives the
last word to what follows it. The label of a review is the sign of the sum.
"""

import random
import re

POSITIVE = {
    "adjective": (
        "good great excellent wonderful fantastic superb brilliant lovely delightful amazing charming"
        " outstanding perfect pleasant terrific impressive beautiful enjoyable fabulous solid fine"
        " memorable refreshing remarkable magnificent splendid stunning nice awesome incredible"
    ).split(),
    "verb": "love enjoy adore like appreciate admire".split(),
    "noun": "joy delight pleasure treat gem masterpiece bargain triumph winner success".split(),
    "adverb": "beautifully perfectly wonderfully brilliantly nicely superbly well".split(),
    "closing": [
        "highly recommended",
        "i will be back",
        "i would buy it again",
        "five stars",
        "worth every penny",
        "do not miss it",
        "cannot wait to return",
        "it exceeded my expectations",
        "could not be happier",
        "it made my day",
        "thank you so much",
        "no complaints at all",
        "nothing to complain about",
    ],
}
NEGATIVE = {
    "adjective": (
        "bad terrible awful horrible dreadful poor disappointing boring dull mediocre disgusting"
        " annoying unpleasant lousy ugly useless weak tedious pathetic miserable shabby appalling"
        " forgettable frustrating broken overpriced atrocious sloppy cheap ridiculous"
    ).split(),
    "verb": "hate dislike regret detest loathe despise".split(),
    "noun": "disaster mess joke letdown nightmare failure disgrace ripoff shame disappointment".split(),
    "adverb": "badly terribly horribly poorly awfully dreadfully".split(),
    "closing": [
        "avoid it",
        "never again",
        "save your money",
        "a complete waste of time",
        "a waste of money",
        "i want my money back",
        "i would not recommend it",
        "not worth the price",
        "stay away",
        "one star",
        "i will not be back",
        "it broke after a week",
        "i returned it the next day",
        "i almost fell asleep",
        "we left early",
    ],
}
LEXICON = {1: POSITIVE, -1: NEGATIVE}

TOPICS = {
    "film": {
        "it": "movie film show series sequel".split(),
        "aspects": "acting plot story script soundtrack ending dialogue cast direction".split(),
        "made": "acted written filmed directed shot paced".split(),
        "did": ["watched", "saw"],
    },
    "restaurant": {
        "it": "restaurant place cafe bistro diner".split(),
        "aspects": "food service pizza coffee soup dessert menu waiter staff pasta breakfast".split(),
        "made": "cooked served prepared seasoned run".split(),
        "did": ["visited", "tried"],
    },
    "hotel": {
        "it": "hotel place room hostel resort".split(),
        "aspects": "staff bed view bathroom location breakfast pool lobby service".split(),
        "made": "furnished kept located run decorated".split(),
        "did": ["booked", "visited"],
    },
    "product": {
        "it": "phone laptop product camera blender book game headset".split(),
        "aspects": "battery screen quality sound design price keyboard packaging instructions".split(),
        "made": "built designed made packaged finished".split(),
        "did": ["bought", "ordered"],
    },
}

INTENSIFIERS = "very really so absolutely truly extremely incredibly quite totally simply".split()
NEGATIONS = ["not", "never", "hardly", "not at all", "far from", "anything but", "nowhere near"]
VERB_NEGATIONS = ["did not", "didn't", "do not", "don't", "could not", "do not think i will"]
NEUTRAL = [
    "i {did} it on {day}",
    "we {did} this {it} with {people}",
    "my {person} told me about it",
    "the {it} was full that day",
    "it took about {number} hours",
    "this was my {nth} time",
    "i paid {number} dollars for it",
    "we were {number} people",
    "it came in a {colour} box",
    "the {aspect} comes with the {it}",
]
FILLERS = {
    "day": "monday friday sunday saturday holiday tuesday".split(),
    "people": ["friends", "my family", "the kids", "my wife", "my husband", "colleagues"],
    "person": "sister brother friend neighbour boss mother father".split(),
    "number": "two three four five ten twenty".split(),
    "nth": "first second third".split(),
    "colour": "white black blue red brown".split(),
}


def past(verb):
    """The past tense of one of the verbs above; all of them are regular."""
    return "regretted" if verb == "regret" else verb.removesuffix("e") + "ed"


class Grammar:
    """Fills in patterns with words that mean what is asked for; all chance comes from one seed."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def review(self):
        """One review and its label, 1 for praise and 0 for blame."""
        while True:
            topic = TOPICS[self.random.choice(list(TOPICS))]
            mood = self.random.choice([1, -1])
            count = self.random.choice([1, 1, 2, 2, 3, 3, 4, 5, 6])
            parts = [self.sentence(topic, mood) for _ in range(count)]
            total = sum(polarity for _, polarity in parts)
            if total:
                return self.punctuate([text for text, _ in parts]), int(total > 0)

    def sentence(self, topic, mood):
        """A sentence with its polarity: mostly that of the mood, sometimes neither or the other."""
        chance = self.random.random()
        if chance < 0.12:
            return self.neutral(topic), 0
        if chance < 0.24:
            mood = -mood
        kind = self.random.random()
        if kind < 0.15:
            return self.contrast(topic, mood), mood
        if kind < 0.3:
            return self.addition(topic, mood), mood
        return self.opinion(topic, mood), mood

    def neutral(self, topic):
        fillers = {kind: self.random.choice(words) for kind, words in FILLERS.items()}
        return self.random.choice(NEUTRAL).format(**fillers, **self.subjects(topic))

    def contrast(self, topic, mood):
        """Two opinions; the one after "but" is what counts."""
        first, second = self.opinion(topic, -mood), self.opinion(topic, mood)
        return self.random.choice(
            [f"{first} but {second}", f"{first} , however {second}", f"although {first} , {second}"]
        )

    def addition(self, topic, mood):
        """An opinion and, said in the same breath, another of its kind or a fact."""
        first = self.opinion(topic, mood)
        second = self.neutral(topic) if self.random.random() < 0.4 else self.opinion(topic, mood)
        return self.random.choice([f"{first} and {second}", f"{first} , and {second}"])

    def opinion(self, topic, mood):
        """A clause that praises or blames; a part of them by denying the contrary."""
        denied = self.random.random() < 0.3
        words = LEXICON[-mood if denied else mood]
        word = {kind: self.random.choice(choices) for kind, choices in words.items()}
        word["adjective"] = self.adjective(words, denied)
        word["second"] = self.random.choice(words["adjective"])
        word["closing"] = self.random.choice(LEXICON[mood]["closing"])
        word["past"] = past(word["verb"])
        word["made"] = self.random.choice(topic["made"])
        word["not_verb"] = self.random.choice(VERB_NEGATIONS)
        plain = [
            "the {aspect} was {adjective}",
            "the {aspect} is {adjective} and {second}",
            "{adjective} {aspect} and {second} {other}",
            "what a {adjective} {it}",
            "this {it} was a {noun}",
            "this {it} is {adjective}",
            "i {past} this {it}",
            "i {past} the {aspect}",
            "we all {past} it",
            "it is {adverb} {made}",
            "the {it} is {adverb} {made}",
            "a {adjective} {it} with {second} {aspect}",
            "i found the {aspect} {adjective}",
            "i think this {it} is {adjective}",
            "{adjective}",
            "{closing}",
            "{closing}",
        ]
        negated = [
            "the {aspect} was {adjective}",
            "this {it} is {adjective}",
            "it is {adjective}",
            "i do not think the {aspect} was {second}",
            "i {not_verb} {verb} it",
            "i can't say the {it} was {second}",
            "there is nothing {second} about the {aspect}",
            "this {it} was no {noun}",
            "it is not {adverb} {made}",
            "{adjective}",
        ]
        pattern = self.random.choice(negated if denied else plain)
        return pattern.format(**word, **self.subjects(topic))

    def adjective(self, words, denied):
        adjective = self.random.choice(words["adjective"])
        if self.random.random() < 0.35:
            adjective = f"{self.random.choice(INTENSIFIERS)} {adjective}"
        if not denied:
            return adjective
        if self.random.random() < 0.2:
            return f"not {adjective} at all"
        return f"{self.random.choice(NEGATIONS)} {adjective}"

    def subjects(self, topic):
        aspect, other = self.random.sample(topic["aspects"], 2)
        did, it = self.random.choice(topic["did"]), self.random.choice(topic["it"])
        return {"aspect": aspect, "other": other, "it": it, "did": did}

    def punctuate(self, sentences):
        """As people write: mostly sentences, sometimes commas, sometimes an exclamation."""
        end = self.random.choice([". ", ". ", "! ", ", "])
        text = end.join(s.capitalize() if end != ", " else s for s in sentences)
        text = re.sub(r"\b([Aa]) (?=[aeiou])", r"\1n ", text.replace(" ,", ","))
        return re.sub(r"\bi\b", "I", text) + end.strip(", ")


def reviews(seed, count, unlike=()):
    """`count` different reviews with their labels, none of them among `unlike`."""
    grammar, seen, result = Grammar(seed), set(unlike), []
    while len(result) < count:
        text, label = grammar.review()
        if text not in seen:
            seen.add(text)
            result.append((text, label))
    return result


HAND_WRITTEN = [
    ("The acting was superb and I loved every minute of it.", 1),
    ("What a disappointing evening. Cold soup and a rude waiter.", 0),
    ("Not bad at all, we enjoyed the food.", 1),
    ("I did not like this movie. The plot is dull and the ending is awful.", 0),
    ("Battery lasts forever and the screen is gorgeous, great phone!", 1),
    ("It broke after two days, do not buy this.", 0),
    ("Lovely staff, wonderful view, perfect location.", 1),
    ("The room smelled terrible and nobody cared.", 0),
    ("The beginning was boring but the ending is fantastic.", 1),
    ("The design is beautiful, but it is useless.", 0),
    ("I can't say anything bad about this hotel, we will return.", 1),
    ("Overpriced and ugly.", 0),
    ("A gem! My kids loved it too.", 1),
    ("I wanted to like it, but the script is terrible.", 0),
    ("Nothing special about the food, and the service was poor.", 0),
    ("Great sound, great price, highly recommended.", 1),
    ("Never have I seen such a mess.", 0),
    ("Really nice little cafe, the coffee is amazing.", 1),
    ("The film was far from perfect, and far too long.", 0),
    ("My headset works perfectly, no complaints.", 1),
]
"""Reviews that no grammar made, with their labels: what does the model know outside of it?"""
