"""The cases of threads, processes and tasks on Python's asyncio: `python3 models.py [--uvloop] CASE COUNT`."""
import asyncio
import sys
import threading
import time

sys.dont_write_bytecode = True  # the tree stays as it was

from cases import show_ns_each  # noqa: E402


async def to_thread(count):
    await asyncio.to_thread(lambda: None)
    start = time.perf_counter_ns()
    for _ in range(count):
        await asyncio.to_thread(lambda: None)
    show_ns_each("to_thread", start, count)


async def call_soon_threadsafe(count):
    threads = 4
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    called = 0

    def call():
        nonlocal called
        called += 1
        if called == count // threads * threads:
            done.set_result(None)

    def make_calls():
        for _ in range(count // threads):
            loop.call_soon_threadsafe(call)

    start = time.perf_counter_ns()
    callers = [threading.Thread(target=make_calls) for _ in range(threads)]
    for caller in callers:
        caller.start()
    await done
    show_ns_each("call_soon_threadsafe", start, count)
    for caller in callers:
        caller.join()


async def subprocess(count):
    start = time.perf_counter_ns()
    for _ in range(count):
        child = await asyncio.create_subprocess_exec("/bin/true")
        await child.wait()
    show_ns_each("subprocess", start, count)


async def switch(units):
    count = max(units, 50_000)
    left = count
    turns = [asyncio.Semaphore(0) for _ in range(units)]

    async def pass_on(mine, following):
        nonlocal left
        while True:
            await mine.acquire()
            left -= 1
            last = left <= 0
            following.release()
            if last:
                break

    tasks = [asyncio.create_task(pass_on(turns[i], turns[(i + 1) % units])) for i in range(units)]
    await asyncio.sleep(0)
    start = time.perf_counter_ns()
    turns[0].release()
    for task in tasks:
        await task
    show_ns_each("switch", start, count)


async def message(count):
    there = asyncio.Queue(1)
    back = asyncio.Queue(1)

    async def answer():
        for _ in range(count):
            await back.put(await there.get())

    answering = asyncio.create_task(answer())
    start = time.perf_counter_ns()
    for i in range(count):
        await there.put(i)
        await back.get()
    show_ns_each("message", start, count)
    await answering


CASES = {"to_thread": to_thread, "call_soon_threadsafe": call_soon_threadsafe, "subprocess": subprocess,
         "switch": switch, "message": message}


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
