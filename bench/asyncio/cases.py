"""The cases on Python's asyncio: `python3 cases.py [--uvloop] CASE COUNT`."""
import asyncio
import os
import resource
import sys
import time

BATCH = 1000
NAP = 0.1


def show(name, value):
    print(f"{name}={value:.9g}", flush=True)


def show_ns_each(name, start, count):
    show(name, (time.perf_counter_ns() - start) / count)


def resident_bytes():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize()


def peak_mib():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:")) / 1024


async def nothing():
    pass


async def spawn(count):
    start = time.perf_counter_ns()
    for _ in range(count // BATCH):
        tasks = [asyncio.create_task(nothing()) for _ in range(BATCH)]
        for task in tasks:
            await task
    show_ns_each("spawn", start, count)


async def await_task(count):
    start = time.perf_counter_ns()
    for _ in range(count):
        await asyncio.create_task(nothing())
    show_ns_each("await_task", start, count)


async def wait_for(count):
    start = time.perf_counter_ns()
    for _ in range(count):
        await asyncio.wait_for(asyncio.create_task(nothing()), 10)
    show_ns_each("wait_for", start, count)


async def yield_often(times):
    for _ in range(times):
        await asyncio.sleep(0)


async def yield_(count):
    start = time.perf_counter_ns()
    tasks = [asyncio.create_task(yield_often(count // BATCH)) for _ in range(BATCH)]
    for task in tasks:
        await task
    show_ns_each("yield", start, count)


async def same(value):
    return value


async def chain(count):
    start = time.perf_counter_ns()
    total = 0
    for i in range(count):
        total += await same(i)
    show_ns_each("chain", start, count)
    assert total == count * (count - 1) // 2


def delays():
    """0 to 999 ms, the same ones as in measure.hpp."""
    state = 2023
    while True:
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        yield (state >> 33) % 1000


async def sleep_until(when):
    loop = asyncio.get_running_loop()
    await asyncio.sleep(when - loop.time())


async def timers(count):
    cpu = time.process_time()
    loop = asyncio.get_running_loop()
    last = 0
    tasks = []
    for delay, _ in zip(delays(), range(count)):
        when = loop.time() + delay / 1000
        last = max(last, when)
        tasks.append(asyncio.create_task(sleep_until(when)))
    for task in tasks:
        await task
    late = loop.time() - last
    show("timers", (time.process_time() - cpu) * 1e9 / count)
    show("timers_late", late * 1e3)


async def pass_(gate):
    await gate


async def idle(count):
    before = resident_bytes()
    gate = asyncio.get_running_loop().create_future()
    tasks = [asyncio.create_task(pass_(gate)) for _ in range(count)]
    await asyncio.sleep(0)  # all of them wait now
    show("idle", (resident_bytes() - before) / count)
    os._exit(0)  # to tear them down takes longer than all the rest


async def gather(count):
    cpu = time.process_time()
    start = time.perf_counter()
    await asyncio.gather(*[asyncio.sleep(NAP) for _ in range(count)])
    wall = time.perf_counter() - start
    show("gather", (wall - NAP) * 1e3)
    show("gather_cpu", (time.process_time() - cpu) * 1e3)
    show("gather_rss", peak_mib())


async def cancel(count):
    tasks = [asyncio.create_task(asyncio.sleep(3600)) for _ in range(count)]
    await asyncio.sleep(0)  # all of them sleep now
    start = time.perf_counter_ns()
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    show_ns_each("cancel", start, count)
    assert all(task.cancelled() for task in tasks)


async def answer(there, back, count):
    for _ in range(count):
        await back.put(await there.get() + 1)


async def queue(count):
    start = time.perf_counter_ns()
    there, back = asyncio.Queue(1), asyncio.Queue(1)
    answering = asyncio.create_task(answer(there, back, count))
    total = 0
    for i in range(count):
        await there.put(i)
        total += await back.get()
    show_ns_each("queue", start, count)
    assert total == count * (count + 1) // 2
    await answering


async def lock(count):
    guarded = 0
    start = time.perf_counter_ns()
    one = asyncio.Lock()
    for _ in range(count):
        async with one:
            guarded += 1
    show_ns_each("lock", start, count)


CASES = {"spawn": spawn, "await_task": await_task, "wait_for": wait_for, "yield": yield_, "chain": chain,
         "timers": timers, "idle": idle, "gather": gather, "cancel": cancel, "queue": queue, "lock": lock}


def main(arguments):
    if arguments[:1] == ["--uvloop"]:
        import uvloop

        uvloop.install()
        arguments = arguments[1:]
    if len(arguments) != 2 or arguments[0] not in CASES or not arguments[1].isdigit():
        return f"usage: {sys.argv[0]} [--uvloop] CASE COUNT, with CASE one of {' '.join(CASES)}"
    asyncio.run(CASES[arguments[0]](int(arguments[1])))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
