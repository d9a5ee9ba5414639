"""Random streams of requests for servers that speak RESP2, good and bad ones, by a seed."""
import random
import re

KEYS = [b"k", b"key1", b"a", b"", b"x" * 40, b"k\0z", b"a]b", b"hello"]
VALUES = [b"1", b"0", b"-5", b"9223372036854775807", b"-9223372036854775808", b"abc", b"", b" 1", b"01", b"+1", b"x" * 300,
          b"a b\r\nc", b"1.5", b"10", b"x" * 40_000]
# None so small that a key may expire on one server already and not yet on the other.
TIMES = [b"0", b"-1", b"1000000", b"2000000000000", b"9223372036854775", b"-9223372036854775808", b"9223372036854775807",
         b"9223372036854775808", b"99999999999999999999999", b"abc", b""]
OPTIONS = [b"EX", b"PX", b"NX", b"XX", b"nx", b"KEEPTTL", b"GET", b"EXAT", b"PXAT", b"GT", b"LT", b"persist", b"foo", b"ex",
           b"async", b"sync"]
PATTERNS = [b"*", b"k*", b"?", b"[a-k]*", b"[^a]*", b"\\k", b"a\\]b", b"h[ae]llo", b"k[", b"[", b"*o", b"**", b"", b"[a-",
            b"[]a]*", b"h*l*o*", b"\\", b"[\\a]", b"[z-a]", b"*[", b"a*", b"*\0*", b"?" * 5, b"*l*l*"]
COMMANDS = b"""append auth client command config dbsize decr decrby del echo exists expire expireat flushall flushdb get
    getdel getex getset hello incr incrby keys mget mset msetnx persist pexpire pexpireat pexpiretime ping psetex pttl publish
    punsubscribe quit reset select set set set set setex setnx strlen subscribe psubscribe ttl type unlink unsubscribe
    SET Get foo config|get""".split()
RARE = {b"quit", b"subscribe", b"psubscribe"}
SUBCOMMANDS = {
    b"client": [[b"getname"], [b"setname", b"me"], [b"setname", b"a b"], [b"setname"], [b"foo"], []],
    b"command": [[b"info", b"get", b"SET", b"no", b"client|id", b"mset", b"ttl", b"del"], [b"count", b"x"], [b"foo", b"x"]],
    b"config": [[b"get", b"save"], [b"GeT", b"no", b"MAXMEMORY"], [b"get"], [b"foo"], []],
    b"hello": [[b"1"], [b"4"], [b"x"], [b"2", b"foo"], [b"2", b"setname"], [b"2", b"setname", b"a b"]],
    b"auth": [[b"x"], [b"user", b"word"], [b"default", b"word"], [], [b"a", b"b", b"c"]],
    b"select": [[b"0"], [b"16"], [b"x"], [b"99999999999"], [b"-1"], []],
    b"dbsize": [[], [b"x"]],
    b"unsubscribe": [[b"a"], [b"a", b"b"], [b"a", b"a", b"a"]],
    b"punsubscribe": [[b"a"], [b"a*", b"b"]],
}
GARBAGE = [
    b"*-1\r\n", b"*0\r\n", b"\r\n", b"\n", b"*1\r\n$-1\r\n", b"*1\r\n:1\r\n", b"*a\r\n", b"*1\r\n$536870913\r\n",
    b"*2147483648\r\n", b"*1\r\n$2147483648\r\n", b"'a\r\n", b'"a"b\r\n', b"*1\r\n\r\n\r\n", b"*1\r\n$0\r\n\r\n", b"*01\r\n",
    b"*1\r\n$04\r\nPING\r\n", b"*+1\r\n", b"\0\r\n", b"*1\r\n$4\r\nPINGxx", b"*1\rx$4\rxPINGxx", b"PING\0foo\r\n",
    b"*1\r\n$4\0\r\n", b"  \r\n", b"\tPING\v\r\n", b"a'b'\r\n", b"*\r\n", b"*1\r\n$\r\n", b"*1\r\nPING\r\n", b"*1\r\n\n\r\n",
    b"GET /index.html HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03", b"*3\r\n$3\r\nSET\r\n$1\r\n",
]
LONG = [b"x" * 65_537, b"*" + b"1" * 70_000, b"*1\r\n$" + b"1" * 70_000, b"*1\r\n" + b"y" * 70_000,
        b"echo " + b"z" * 60_000 + b"\r\n", b"\0" * 70_000]


def encode(words):
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


class Streams:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def word(self):
        return self.random.choice(self.random.choice([KEYS, VALUES, TIMES, OPTIONS, PATTERNS]))

    def words(self, count):
        return [self.word() for _ in range(count)]

    def arguments(self, name):
        choice, chance = self.random.choice, self.random.random
        if name in SUBCOMMANDS:
            return choice(SUBCOMMANDS[name])
        if chance() < .15:
            return self.words(choice([0, 1, 2, 3, 4, 6]))
        if name.lower() == b"set":
            options = []
            while chance() < .6:
                options.append(choice(OPTIONS))
                if options[-1].upper() in (b"EX", b"PX", b"EXAT", b"PXAT") and chance() < .9:
                    options.append(choice(TIMES))
            return [choice(KEYS), choice(VALUES), *options]
        if name.startswith((b"expire", b"pexpire")) and not name.endswith(b"time"):
            return [choice(KEYS), choice(TIMES), *[choice([b"NX", b"XX", b"GT", b"LT", b"q"]) for _ in range(choice([0, 0, 1, 2]))]]
        if name == b"getex":
            return [choice(KEYS), *choice([[], [b"persist"], [choice(OPTIONS), choice(TIMES)]])]
        if name in (b"setex", b"psetex"):
            return [choice(KEYS), choice(TIMES), choice(VALUES)]
        if name in (b"incrby", b"decrby"):
            return [choice(KEYS), choice(VALUES)]
        if name in (b"mset", b"msetnx"):
            return [choice(KEYS + VALUES[:6]) for _ in range(choice([2, 4, 4, 5]))]
        if name in (b"del", b"unlink", b"exists", b"mget"):
            return [choice(KEYS) for _ in range(choice([1, 2, 5]))]
        if name in (b"append", b"getset", b"setnx"):
            return [choice(KEYS), choice(VALUES)]
        if name in (b"flushall", b"flushdb", b"ping", b"reset"):
            return self.words(choice([0, 0, 1, 2]))
        if name == b"publish":
            return [choice(KEYS), self.word()]
        return [choice(KEYS)] if chance() < .8 else self.words(choice([0, 1, 2]))

    def may_expire_meanwhile(self, words):
        first = {b"set": 3, b"getex": 2, b"setex": 2, b"psetex": 2, b"expire": 2, b"pexpire": 2}.get(words[0].lower())
        return first is not None and any(re.fullmatch(rb"[1-9]\d{0,5}", word) for word in words[first:])

    def request(self):
        name = self.random.choice(COMMANDS)
        if name in RARE and self.random.random() < .9:
            return self.request()
        if name == b"keys":  # their order is not the same, so there is one at most
            return (encode([b"flushall"]) + encode([b"set", self.random.choice(KEYS), b"v"]) +
                    encode([name, self.random.choice(PATTERNS)]))
        words = [name, *self.arguments(name)]
        if self.may_expire_meanwhile(words):
            return self.request()
        short = sum(map(len, words)) < 1000  # how long a line may be depends on how it arrives, at Redis
        return self.inline(words) if short and self.random.random() < .1 else encode(words)

    def inline(self, words):
        return b"".join(self.quoted(word) + self.random.choice([b" ", b"  ", b"\t"]) for word in words) + \
            self.random.choice([b"\r\n", b"\n"])

    def quoted(self, word):
        word = word.replace(b"\0", b"0").replace(b"\n", b"")
        way = self.random.random()
        if way < .3:
            return b'"' + b"".join(b"\\x%02x" % byte if self.random.random() < .3 else
                                   b"\\" + bytes([byte]) if byte in b'"\\' else bytes([byte]) for byte in word) + b'"'
        return b"'" + word + b"'" if way < .5 else word

    def stream(self, number):
        """Some requests; every third stream has garbage in it, every fifth some bytes that are others."""
        stream = b"".join(self.request() for _ in range(self.random.choice([1, 3, 10, 40])))
        if number % 3 == 0:
            stream += self.random.choice(GARBAGE) + b"".join(self.request() for _ in range(3))
        if number % 17 == 0:
            stream += self.random.choice(LONG)
        if number % 5 == 0:
            changed = bytearray(stream)
            for _ in range(self.random.randint(1, 3)):
                changed[self.random.randrange(len(changed))] = self.random.choice(b"\0\r\n*$x'\"019-")
            stream = bytes(changed)
        return stream

    def pieces(self, stream):
        if len(stream) < 300 and self.random.random() < .3:
            return [stream[at:at + 1] for at in range(len(stream))]
        cuts = sorted(self.random.randrange(len(stream) + 1) for _ in range(self.random.choice([0, 1, 4])))
        return [stream[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(stream)])]


def same(theirs, ours):
    """Whether the answer of Redis and ours are the same, but for what time it is and the number of the connection."""
    if theirs == ours:
        return True
    if len(theirs) >= 1 << 16 and ours.startswith(theirs):
        return True  # Redis drops the rest of much when the client has said that it sends no more
    theirs, ours = (re.sub(rb"\$2\r\nid\r\n:\d+", b"id", answer).split(b"\r\n") for answer in (theirs, ours))
    def near(a, b):
        number = rb":[1-9]\d{3,}"
        return a == b or bool(re.fullmatch(number, a) and re.fullmatch(number, b) and abs(int(a[1:]) - int(b[1:])) < 60_000)
    return len(ours) == len(theirs) and all(near(a, b) for a, b in zip(ours, theirs))
