"""The engines of language models side by side: the same prompts by turns, a process each."""

from __future__ import annotations

import os
import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import NamedTuple

from tokenizers import Tokenizer

from evals.benchmarks.command import home, pillion
from evals.benchmarks.loaded import Loaded, Took, loaded, resident_agent
from evals.benchmarks.report import BenchmarkFailed, Row, figure
from evals.routing import by_rules, families
from graph.learning import languages_of
from graph.settings import Settings
from tools.asking.model import LABELS, PREFIX, SUFFIX
from tools.slm.engine import Prompt
from tools.slm.engines import TITLES, EngineName, Files, lacking, order_of

NAME = "engines"
CLAIM = (
    "One request is routed, and a text of 20 new tokens scored, in less than 100 ms (95th"
    " percentile) by the engine that serves on this machine, with the default model and its"
    " instructions kept computed; the others, beside it on the same prompts, find the same"
    " probabilities; the agent's process with the model in it stays below 1 GB. By turns, each in"
    " a process of its own; spreads are from the 5th to the 95th percentile."
)
TARGET_MS, TARGET_GB, TARGET_APART = 100.0, 1.0, 0.01
NEW_TOKENS = 20
PAUSE = 0.05
"""Seconds between two turns: threads that computed spin on for a while."""
LENGTH = 64
"""Tokens that are decoded."""
CHOICES = tuple(LABELS)
TELL = Prompt(
    "<|im_start|>user\nExplain at length what an index of a database is.<|im_end|>\n"
    "<|im_start|>assistant\n"
)


class Measured(NamedTuple):
    """What one engine took."""

    cold: list[Took]
    routed: list[Took]
    scored: list[Took]
    decoded: list[Took]
    peak_bytes: int


def run(quick: bool) -> list[Row]:
    """Fetch the default model and measure every engine that can serve it here."""
    with home() as folder:
        pillion(folder, "model", "fetch")
        store = languages_of(Settings(home=folder / "home"))
        model = store.all()[0].name
        files = Files(store.place_of(model), store.packed_of(model))
        names = [name for name in order_of("auto") if lacking(name, files) is None]
        if not names:
            raise BenchmarkFailed("no engine is installed")
        found = _by_turns(names, files, quick)
        unsure = next(t for f in families() for t in f.texts if by_rules(t).plan is None)
        store.use(model)
        agent = resident_agent(folder, unsure) / 1e9
    titles = [TITLES[name] for name in names]
    rows = [row for n, title in enumerate(titles) for row in rows_of(title, found[n], n == 0)]
    rows += [
        apart(titles[0], title, found[0].routed, other.routed)
        for title, other in zip(titles[1:], found[1:], strict=True)
    ]
    within = Row("agent's process, model resident", agent, "GB", "", "< 1", agent < TARGET_GB)
    cores = Row("cores that could be used", len(os.sched_getaffinity(0)), "")
    return [*rows, within, cores]


def _by_turns(names: Sequence[EngineName], files: Files, quick: bool) -> list[Measured]:
    count = 10 if quick else 100
    prompts = _prompts(files, count)
    with ExitStack() as processes:
        engines = [processes.enter_context(loaded(name, files)) for name in names]
        cold = _each(engines, lambda e, n: e.score(_cold(n), CHOICES), 2 if quick else 10)
        # The instructions are read before anything is timed.
        _each(engines, lambda e, n: e.score(prompts.routed[0], CHOICES), 1)
        routed = _each(engines, lambda e, n: e.score(prompts.routed[n], CHOICES), count)
        scored = _each(engines, lambda e, n: e.score(prompts.scored[n], CHOICES), count)
        decoded = _each(engines, lambda e, n: e.decode(TELL, LENGTH), 2 if quick else 10)
        peaks = [e.peak_bytes() for e in engines]
    return [Measured(*rest) for rest in zip(cold, routed, scored, decoded, peaks, strict=True)]


def _each(
    engines: Sequence[Loaded], ask: Callable[[Loaded, int], Took], times: int
) -> list[list[Took]]:
    """Ask all engines the same by turns; what disturbs one disturbs the other."""
    found: list[list[Took]] = [[] for _ in engines]
    for n in range(times):
        for took, engine in zip(found, engines, strict=True):
            time.sleep(PAUSE)
            took.append(ask(engine, n))
    return found


class Prompts(NamedTuple):
    """Requests as they are routed, and texts of 20 tokens behind the same instructions."""

    routed: list[Prompt]
    scored: list[Prompt]


def _prompts(files: Files, count: int) -> Prompts:
    tokenizer = Tokenizer.from_file(str(files.place / "tokenizer.json"))
    texts = [text for family in families() for text in family.texts]
    chosen = random.Random(1).sample(texts, count)
    words = [" ".join(texts[n:] + texts[:n]) for n in range(count)]
    cut = [tokenizer.decode(tokenizer.encode(text).ids[:NEW_TOKENS]) for text in words]
    return Prompts(
        [Prompt(PREFIX, text, SUFFIX) for text in chosen], [Prompt(PREFIX, text) for text in cut]
    )


def _cold(turn: int) -> Prompt:
    return Prompt(f"{turn}. {PREFIX}", "what waits for me?", SUFFIX)


def rows_of(title: str, found: Measured, serves: bool) -> Iterator[Row]:
    """Yield what one engine took; only the one that serves here has targets."""
    asked = [(found.routed, "a request routed"), (found.scored, f"{NEW_TOKENS} tokens scored")]
    for took, what in asked:
        times = _percentiles([t.seconds * 1000 for t in took])
        yield Row(f"{title}: {what}, median", times.mid, "ms", times.spread)
        yield Row(
            f"{title}: {what}, 95th percentile", times.high, "ms", f"of {len(took)}",
            "< 100" if serves else "", not serves or times.high < TARGET_MS,
        )  # fmt: skip
        work = _percentiles([t.processor * 1000 for t in took])
        yield Row(f"{title}: {what}, processor", work.mid, "ms", work.spread)
    cold = _percentiles([t.seconds * 1000 for t in found.cold])
    yield Row(f"{title}: a request with its instructions read anew", cold.mid, "ms", cold.spread)
    speed = _percentiles([t.answer / t.seconds for t in found.decoded])
    yield Row(f"{title}: decoding", speed.mid, "tokens/s", speed.spread)
    yield Row(f"{title}: peak memory of its process", found.peak_bytes / 1e6, "MB")


class Percentiles(NamedTuple):
    """The middle of some values, and where nine tenths of them lie."""

    low: float
    mid: float
    high: float

    @property
    def spread(self) -> str:
        """The two ends, as they stand in a table."""
        return f"{figure(self.low)}–{figure(self.high)}"


def _percentiles(values: Sequence[float]) -> Percentiles:
    cuts = statistics.quantiles(values, n=20, method="inclusive")
    return Percentiles(cuts[0], statistics.median(values), cuts[-1])


def apart(title: str, beside: str, one: Sequence[Took], other: Sequence[Took]) -> Row:
    """Return the most by which a probability of one engine differs from another's."""
    pairs = [(a.answer, b.answer) for a, b in zip(one, other, strict=True)]
    most = max(abs(a[c] - b[c]) for a, b in pairs for c in CHOICES)
    same = sum(max(a, key=a.get) == max(b, key=b.get) for a, b in pairs)
    told = f"the likeliest is the same in {same} of {len(pairs)}"
    return Row(
        f"{title} and {beside}: largest difference of a probability", most, "", told,
        "< 0.01", most < TARGET_APART,
    )  # fmt: skip
