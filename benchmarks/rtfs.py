"""RTFS beside plain Python: the same logic written by hand, in the same run, on the same inputs.

    python -m benchmarks.rtfs [--repeats 7] [--json]

"compiled" is a module as it is loaded by default, when it has run before; "first run" is a fresh one, which is
interpreted until it is hot and then compiled; "interpreted" is one that is never compiled. All are measured in turns,
in CPU time; each ratio is to the plain figure of its own turn, shown as median and spread.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import time
import tracemalloc
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial, reduce
from typing import Any

from rich.console import Console
from rich.table import Table

from domain.kernel.values import Keyword
from domain.rtfs.capability import Capability, Parameter
from domain.rtfs.program import Program, compile_program
from domain.rtfs.types import INT, parse_type
from domain.rtfs.vm import Finished, Limits, Suspended, Yielded, load, resume, start
from domain.rtfs.vm.loading import Module

LIMITS = Limits(fuel=1_000_000_000, memory=100_000_000)
CAPABILITIES = {"number": Capability("number", "1", "pure", (Parameter("n", INT),), INT, "A number.")}
RECORDS = "[:vector [:map [:id :int] [:customer :string] [:amount :int] [:state :keyword] [:tags [:vector :string]]]]"
NAME, TOTAL, COUNT = Keyword("name"), Keyword("total"), Keyword("count")
ID, CUSTOMER, AMOUNT, STATE, TAGS = (Keyword(name) for name in ("id", "customer", "amount", "state", "tags"))


def records(size: int) -> list[Any]:
    """Orders as a tool would give them."""
    states = [Keyword("paid"), Keyword("open"), Keyword("cancelled")]
    return [
        {
            ID: number,
            CUSTOMER: f"customer {number * 7919 % 97}",
            AMOUNT: number * 31 % 1000,
            STATE: states[number % 3],
            TAGS: ["new", "late"][: number % 3],
        }
        for number in range(size)
    ]


@dataclass(frozen=True)
class Case:
    """One program and the same in Python."""

    name: str
    source: str
    plain: Callable[..., Any]
    inputs: Mapping[str, tuple[str, Any]] = field(default_factory=dict)

    def compiled(self) -> Program:
        parameters = {name: parse_type(text) for name, (text, _) in self.inputs.items()}
        return compile_program(self.source, parameters=parameters, output=None, capabilities=CAPABILITIES)

    def arguments(self) -> dict[str, Any]:
        return {name: value for name, (_, value) in self.inputs.items()}


def loop_sum(n: int) -> int:
    i = total = 0
    while i < n:
        total += i
        i += 1
    return total


def nested_loops(n: int) -> int:
    i = total = 0
    while i < n:
        j = inner = 0
        while j < n:
            inner += i * j
            j += 1
        total += inner
        i += 1
    return total


def fib(n: int) -> int:
    return n if n < 2 else fib(n - 1) + fib(n - 2)


def build_string(n: int) -> int:
    text = ""
    for i in range(n):
        text = f"{text}{i}," if len(text) < 200 else f"{i},"
    return len(text)


def update_maps(n: int) -> dict[int, int]:
    counts: dict[int, int] = {}
    for i in range(n):
        key = i % 20
        counts = {**counts, key: counts.get(key, 0) + 1}  # values are not changed here either
    return counts


def report(orders: list[Any]) -> Any:
    paid = [order for order in orders if order[STATE] is Keyword("paid") and order[AMOUNT] > 100]
    by_customer: dict[str, list[Any]] = {}
    for order in paid:
        by_customer.setdefault(order[CUSTOMER], []).append(order)
    lines: list[dict[Keyword, Any]] = []
    for customer in sorted(by_customer):
        theirs = by_customer[customer]
        total = reduce(lambda total, order: total + order[AMOUNT], theirs, 0)
        late = len([order for order in theirs if "late" in order[TAGS]])
        lines.append(
            {NAME: customer, TOTAL: total, COUNT: len(theirs), Keyword("note"): f"{late} late, {total} in all"}
        )
    return sorted(lines, key=lambda line: line[TOTAL], reverse=True)[:10]


REPORT = """
(let [paid (filter (fn [order] (and (= (:state order) :paid) (> (:amount order) 100))) orders)
      by-customer (group-by (fn [order] (:customer order)) paid)
      lines (map (fn [customer]
                   (let [theirs (get by-customer customer)
                         total (reduce (fn [total order] (+ total (:amount order))) 0 theirs)
                         late (count (filter (fn [order] (includes? (:tags order) "late")) theirs))]
                     {:name customer :total total :count (count theirs)
                      :note (str late " late, " total " in all")}))
                 (keys by-customer))]
  (take 10 (sort-by (fn [line] (:total line)) > lines)))
"""

CASES = (
    Case("loop: sum", "(loop [i 0 t 0] (if (< i n) (recur (inc i) (+ t i)) t))", loop_sum, {"n": (":int", 100_000)}),
    Case(
        "loops within loops",
        "(loop [i 0 t 0] (if (< i n) (recur (inc i) (+ t (loop [j 0 s 0]"
        " (if (< j n) (recur (inc j) (+ s (* i j))) s)))) t))",
        nested_loops,
        {"n": (":int", 300)},
    ),
    Case(
        "recursion: fib",
        "(defn fib [n] (if (< n 2) n (+ (fib (- n 1)) (fib (- n 2))))) (fib n)",
        fib,
        {"n": (":int", 21)},
    ),
    Case(
        "map",
        "(count (map (fn [x] (* x 2)) (range n)))",
        lambda n: len([*(x * 2 for x in range(n))]),
        {"n": (":int", 100_000)},
    ),
    Case(
        "filter",
        "(count (filter (fn [x] (> x 500)) (range n)))",
        lambda n: len([*filter(lambda x: x > 500, range(n))]),
        {"n": (":int", 100_000)},
    ),
    Case(
        "reduce",
        "(reduce (fn [a x] (+ a x)) 0 (range n))",
        lambda n: reduce(lambda a, x: a + x, range(n), 0),
        {"n": (":int", 100_000)},
    ),
    Case(
        "reduce with +", "(reduce + 0 (range n))", lambda n: reduce(int.__add__, range(n), 0), {"n": (":int", 100_000)}
    ),
    Case(
        "strings",
        '(count (loop [i 0 s ""] (if (< i n) (recur (inc i) (if (< (count s) 200) (str s i ",") (str i ","))) s)))',
        build_string,
        {"n": (":int", 20_000)},
    ),
    Case(
        "maps",
        "(reduce (fn [m i] (let [k (mod i 20)] (assoc m k (inc (get m k 0))))) {} (range n))",
        update_maps,
        {"n": (":int", 20_000)},
    ),
    Case("report of 5,000 records", REPORT, report, {"orders": (RECORDS, records(5_000))}),
)


def run(module: Module, arguments: Mapping[str, Any]) -> Any:
    """Run to the end as a host does, slice by slice."""
    step = start(module, arguments, LIMITS)
    while isinstance(step, Yielded):
        step = resume(step.state, {})
    assert isinstance(step, Finished), step
    return step.value


def cpu(work: Callable[[], object]) -> float:
    """Milliseconds of CPU."""
    begun = time.process_time()
    work()
    return (time.process_time() - begun) * 1e3


@dataclass
class Figure:
    """One program: plain milliseconds, and ratios to them as median and spread."""

    name: str
    plain_ms: float
    compiled: float
    compiled_spread: tuple[float, float]
    first_run: float
    interpreted: float
    interpreted_spread: tuple[float, float]
    memory: float
    """Peak of what was allocated, beside that of the plain version."""


def measure(case: Case, repeats: int) -> Figure:
    """Run one case in turns with its plain version."""
    data = case.compiled().module
    arguments = case.arguments()
    warm, cold = load(data), load(data, compile_after=None)
    expected = case.plain(**arguments)
    for module in (warm, cold):
        assert run(module, arguments) == expected, case.name
    plain, compiled, first, interpreted = [], [], [], []
    for _ in range(repeats):
        fresh = load(data)
        base = min(cpu(lambda: case.plain(**arguments)) for _ in range(3))
        plain.append(base)
        compiled.append(cpu(lambda: run(warm, arguments)) / base)
        first.append(cpu(partial(run, fresh, arguments)) / base)
        interpreted.append(cpu(lambda: run(cold, arguments)) / base)
    return Figure(
        case.name,
        round(statistics.median(plain), 3),
        round(statistics.median(compiled), 2),
        (round(min(compiled), 2), round(max(compiled), 2)),
        round(statistics.median(first), 2),
        round(statistics.median(interpreted), 2),
        (round(min(interpreted), 2), round(max(interpreted), 2)),
        round(peak(lambda: run(warm, arguments)) / peak(lambda: case.plain(**arguments)), 2),
    )


def peak(work: Callable[[], object]) -> int:
    """Bytes that were allocated at once, at most."""
    gc.collect()
    tracemalloc.start()
    work()
    _, highest = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return highest + 10_000  # what everything takes: little over little would be no ratio


FIRST_EFFECT = (
    "(let [total (+ n 2) names (map (fn [x] (:name x)) items)] (str (call :number (* total 2)) (count names)))"
)


def first_effect(repeats: int) -> tuple[float, float, float]:
    """Microseconds from the start of a small loaded program to its first effect: median and spread."""
    parameters = {"n": INT, "items": parse_type("[:vector [:map [:name :string]]]")}
    program = compile_program(FIRST_EFFECT, parameters=parameters, output=None, capabilities=CAPABILITIES)
    module = load(program.module)
    arguments: dict[str, Any] = {"n": 3, "items": [{NAME: "a"}, {NAME: "b"}]}

    def thousand() -> None:
        for _ in range(1_000):
            assert isinstance(start(module, arguments), Suspended)

    times = sorted(cpu(thousand) for _ in range(repeats))
    return tuple(round(each, 1) for each in (statistics.median(times), times[0], times[-1]))  # type: ignore[return-value]


FUNCTION = """\
; Step {n}: what is large enough, with its total and a note for the reader.
(defn step-{n} [records least]
  (let [large (filter (fn [r] (>= (:amount r) least)) records)
        total (reduce (fn [sum r] (+ sum (:amount r))) 0 large)
        names (map (fn [r] (str (:name r) ": " (:amount r)))
                   large)]
    (cond
      (empty? large)
      {{:total 0 :names [] :note "nothing"}}

      (> total 1000)
      (let [average (/ total (count large))]
        {{:total total
         :names (take 3 names)
         :note (str "average " average)}})

      :else
      {{:total total :names names :note nil}})))

"""


def long_source(lines: int = 1_000) -> str:
    """A program of so many lines, of the kind that planners write."""
    functions = lines // (FUNCTION.count("\n") + 1)
    calls = "\n".join(f"    (step-{n} records {n})" for n in range(functions))
    source = "".join(FUNCTION.format(n=n) for n in range(functions))
    return f'{source}(let [records (map (fn [i] {{:name (str "n" i) :amount (* i 7)}}) (range 50))]\n  [\n{calls}])\n'


def compile_time(repeats: int) -> tuple[float, float, float]:
    """Milliseconds to compile 1,000 lines: median and spread."""
    source = long_source()
    lines = source.count("\n")
    work = partial(compile_program, source, parameters={}, output=None, capabilities=CAPABILITIES)
    work()
    times = sorted(cpu(work) * 1000 / lines for _ in range(repeats))
    return tuple(round(each, 1) for each in (statistics.median(times), times[0], times[-1]))  # type: ignore[return-value]


def show(results: dict[str, Any]) -> None:
    table = Table("program", "plain ms", "compiled", "spread", "first run", "interpreted", "spread", "memory")
    for row in results["programs"]:
        table.add_row(
            row["name"],
            f"{row['plain_ms']:.2f}",
            f"{row['compiled']:.1f}",
            "{:.1f} - {:.1f}".format(*row["compiled_spread"]),
            f"{row['first_run']:.1f}",
            f"{row['interpreted']:.1f}",
            "{:.1f} - {:.1f}".format(*row["interpreted_spread"]),
            f"{row['memory']:.1f}",
        )
    Console().print(table)
    print("start to first effect {} us ({} to {}); aim 50".format(*results["first_effect_us"]))
    print("compiling 1,000 lines {} ms ({} to {}); aim 100".format(*results["compile_1000_lines_ms"]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7, help="turns of each measurement")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    arguments = parser.parse_args()
    results = {
        "programs": [asdict(measure(case, arguments.repeats)) for case in CASES],
        "first_effect_us": first_effect(arguments.repeats),
        "compile_1000_lines_ms": compile_time(arguments.repeats),
    }
    if arguments.json:
        print(json.dumps(results, indent=1))
    else:
        show(results)


if __name__ == "__main__":
    main()
